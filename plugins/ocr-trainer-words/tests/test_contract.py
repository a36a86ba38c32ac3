from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.testing import TextDatasetSuite

NOISE = np.random.default_rng(0).integers(256, size=(10, 16, 48, 3), dtype=np.uint8)


class TestWords(TextDatasetSuite):
    name = "words"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """Ten pictures of noise in a list, two rows of which cannot be used."""
        root = tmp_path / "words"
        root.mkdir()
        rows = [f'word_{n}.png, "영수증 \\"{n}\\", ﬁ"\r\n' for n in range(10)]
        (root / "gt.txt").write_text("".join([*rows, 'gone.png, "x"\r\n', "?\r\n"]), encoding="utf-8-sig")
        for number, pixels in enumerate(NOISE):
            Image.fromarray(pixels).save(root / f"word_{number}.png")
        self.overrides = ["model=crnn", f"dataset.root='{root}'", "dataset.test_share=0.2"]


class TestLines(TextDatasetSuite):
    name = "lines"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """Ten pictures of noise with texts, and one without."""
        root = tmp_path / "lines"
        root.mkdir()
        for number, pixels in enumerate(NOISE):
            Image.fromarray(pixels).save(root / f"{number:04}.nrm.png")
            (root / f"{number:04}.gt.txt").write_text(f"Zeile {number}\n", encoding="utf-8")
        Image.fromarray(NOISE[0]).save(root / "bare.png")
        self.overrides = ["model=crnn", f"dataset.root='{root}'", "dataset.test_share=0.2"]


del TextDatasetSuite

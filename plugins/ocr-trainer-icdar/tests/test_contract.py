import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.testing import DatasetSuite

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
RECEIPTS, SCENES, WEB = (
    DATA / name for name in ("receipts_sroie2019", "scene_icdar2015", "web_mtwi_chinese")
)


@pytest.mark.skipif(not RECEIPTS.is_dir(), reason=f"no receipts in {RECEIPTS}")
class TestSroie(DatasetSuite):
    name = "sroie"
    overrides = (f"dataset.root='{RECEIPTS}'",)


@pytest.mark.skipif(not SCENES.is_dir(), reason=f"no scenes in {SCENES}")
class TestIcdar2015(DatasetSuite):
    name = "icdar2015"
    overrides = (f"dataset.root='{SCENES}'",)


@pytest.mark.skipif(not WEB.is_dir(), reason=f"no web images in {WEB}")
class TestMtwi(DatasetSuite):
    name = "mtwi"
    overrides = (f"dataset.root='{WEB}'",)


class TestIcdar2013(DatasetSuite):
    name = "icdar2013"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """The official folders with pictures of noise."""
        noise = np.random.default_rng(0).integers(256, size=(6, 32, 48, 3), dtype=np.uint8)
        for split, row in (("Training", '4 4 30 12 "one"\n'), ("Test", '4, 4, 30, 12, "one"\n')):
            images = tmp_path / f"Challenge2_{split}_Task12_Images"
            rows = tmp_path / f"Challenge2_{split}_Task1_GT"
            images.mkdir()
            rows.mkdir()
            for number, pixels in enumerate(noise[:4] if split == "Training" else noise[4:]):
                Image.fromarray(pixels).save(images / f"{split}{number}.png")
                (rows / f"gt_{split}{number}.txt").write_text(f"{row}9 9 9\n", encoding="utf-8")
        self.overrides = [f"dataset.root='{tmp_path}'"]

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.testing import DatasetSuite

QUAD = [[4, 4], [30, 4], [30, 12], [4, 12]]


class TestUfo(DatasetSuite):
    name = "ufo"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """Ten pictures of noise, one with a label that cannot be used."""
        words = {
            "0001": {"points": QUAD, "transcription": "영수증"},
            "0002": {"points": QUAD, "transcription": None},
        }
        broken = words | {"0003": {"points": [[1, 1]], "transcription": "a point"}}
        images = {
            f"{index}.png": {"img_w": 48, "img_h": 32, "words": broken if index == 0 else words}
            for index in range(10)
        }
        root = tmp_path / "ufo"
        (root / "images").mkdir(parents=True)
        (root / "train.json").write_text(json.dumps({"images": images}), encoding="utf-8")
        noise = np.random.default_rng(0).integers(256, size=(10, 32, 48, 3), dtype=np.uint8)
        for name, pixels in zip(images, noise, strict=True):
            Image.fromarray(pixels).save(root / "images" / name)
        self.overrides = [f"dataset.root='{root}'", "dataset.test_share=0.2"]

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.testing import DatasetSuite

NOISE = np.random.default_rng(0).integers(256, size=(6, 32, 48, 3), dtype=np.uint8)
CURVE = ",".join(
    f"{x},{y}" for x, y in [*((2 + 5 * i, 4) for i in range(7)), *((32 - 5 * i, 9) for i in range(7))]
)


def make(root: Path, images: dict[str, str], rows: dict[str, str], name: str, row: str) -> None:
    """Write the folders of two splits with noise images; `name` is the pattern of an annotation's name."""
    pictures = iter(NOISE)
    for split, count in (("train", 4), ("test", 2)):
        (root / images[split]).mkdir(parents=True, exist_ok=True)
        (root / rows[split]).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            stem = f"{split}{number}"
            Image.fromarray(next(pictures)).save(root / images[split] / f"{stem}.png")
            (root / rows[split] / name.format(stem)).write_text(row, encoding="utf-8")


class TestTotalText(DatasetSuite):
    name = "totaltext"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        images = {"train": "Images/Train", "test": "Images/Test"}
        rows = {"train": "txt_format/Train", "test": "txt_format/Test"}
        record = "x: [[4 30 30\n 4]], y: [[4 4 12 12]], ornt: [u'h'], transcriptions: [u'one']\nx: [[1"
        make(tmp_path, images, rows, "poly_gt_{}.txt", record)
        self.overrides = [f"dataset.root='{tmp_path}'"]


class TestCtw1500(DatasetSuite):
    name = "ctw1500"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        images = {"train": "train/text_image", "test": "test/text_image"}
        rows = {"train": "train/text_label_curve", "test": "test/text_label_curve"}
        make(tmp_path, images, rows, "{}.txt", f"{CURVE},####one\n1,2,3\n")
        self.overrides = [f"dataset.root='{tmp_path}'"]


class TestMsraTd500(DatasetSuite):
    name = "msra_td500"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        folders = {"train": "train", "test": "test"}
        make(tmp_path, folders, folders, "{}.gt", "0 0 4 4 30 12 0.1\n1 1 9 9 9 9 0\n2 0\n")
        self.overrides = [f"dataset.root='{tmp_path}'"]

"""Every plugin keeps the contract, on a set made as its documentation has it; funsd on the real one, too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_trainer.testing import DatasetSuite

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))


class Made(DatasetSuite):
    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path, make: Callable[..., None]) -> None:
        make(self.name, tmp_path / "set")
        self.overrides = [f"dataset.root='{tmp_path / 'set'}'", "dataset.test_share=0.2"]


class TestFunsd(Made):
    name = "funsd"


class TestCocoText(Made):
    name = "cocotext"


class TestTextOcr(Made):
    name = "textocr"


class TestLabelme(Made):
    name = "labelme"


class TestLabelStudio(Made):
    name = "label_studio"


class TestPaddleOcr(Made):
    name = "paddleocr"


class TestMmocr(Made):
    name = "mmocr"


class TestJsonLines(Made):
    name = "jsonl"


@pytest.mark.skipif(
    not (DATA / "forms_funsd").exists(), reason="forms_funsd is not among the data (OCR_TRAINER_DATA)"
)
class TestRealFunsd(DatasetSuite):
    name = "funsd"
    overrides = (f"dataset.root='{DATA / 'forms_funsd'}'",)


@pytest.mark.skipif(
    not (DATA / "toy_mmocr").exists(), reason="toy_mmocr is not among the data (OCR_TRAINER_DATA)"
)
class TestRealMmocr(DatasetSuite):
    name = "mmocr"
    overrides = (
        f"dataset.root='{DATA / 'toy_mmocr' / 'det_toy_dataset'}'",
        "dataset.train_file=textdet_test.json",
    )

"""A sign knows its own format, and takes no other for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_trainer.plugin.discovery import matching_datasets

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
OURS = {"cocotext", "funsd", "jsonl", "label_studio", "labelme", "mmocr", "paddleocr", "textocr"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_set_is_known_by_its_plugin_alone(name: str, tmp_path: Path, make: Callable[..., None]) -> None:
    make(name, tmp_path / "set")
    assert matching_datasets(tmp_path / "set") == [name]


def test_the_forms_of_mmocr_are_known(tmp_path: Path) -> None:
    coco = '{"images": [{"file_name": "a.jpg", "id": 1}], "annotations": [{"image_id": 1, "iscrowd": 0}]}'
    (tmp_path / "instances_training.json").write_text(coco, encoding="utf-8")
    assert matching_datasets(tmp_path) == ["mmocr"]


@pytest.mark.skipif(not DATA.exists(), reason="there are no data (OCR_TRAINER_DATA)")
def test_no_folder_of_another_format_is_claimed() -> None:
    folders = [DATA, *(path for path in DATA.rglob("*") if path.is_dir())]
    claimed = {folder.relative_to(DATA).as_posix(): OURS & {*matching_datasets(folder)} for folder in folders}
    assert len(folders) > 20
    assert {folder: names for folder, names in claimed.items() if names} == {
        "forms_funsd": {"funsd"},
        "forms_funsd/training_data": {"funsd"},
        "forms_funsd/testing_data": {"funsd"},
        "toy_mmocr/det_toy_dataset": {"mmocr"},
        "toy_mmocr/kie_toy_dataset/wildreceipt": {"mmocr"},
        "toy_mmocr/rec_toy_dataset": {"jsonl", "mmocr"},
    }

"""A folder in UFO JSON is known as such, and no other folder is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ocr_trainer.plugin.discovery import matching_datasets

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("file", ["ufo/train.json", "train.json", "annotation.json"])
def test_its_own_folder_is_known(tmp_path: Path, file: str, indent: int | None) -> None:
    word = {"points": [[1, 1], [9, 1], [9, 5]], "transcription": "영수증"}
    images = {"a 1.jpg": {"img_w": 20, "img_h": 10, "words": {"0001": word}}}
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps({"images": images}, indent=indent), encoding="utf-8")
    assert matching_datasets(tmp_path) == ["ufo"]


@pytest.mark.skipif(not DATA.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")
def test_no_folder_of_another_format_is_claimed() -> None:
    folders = [DATA, *(path for path in DATA.rglob("*") if path.is_dir())]
    assert len(folders) > 20
    assert [folder for folder in folders if "ufo" in matching_datasets(folder)] == []

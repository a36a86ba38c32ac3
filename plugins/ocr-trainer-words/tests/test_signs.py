"""Folders of words and of lines are known as such, and no other folder is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_trainer.plugin.discovery import matching_datasets

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("gt.txt", '\ufeffword_1.png, "Genaxis Theatre"\r\n'),
        ("train.tags", "train/1021_1.png Home\n"),
        ("rec_gt_train.txt", "train/word_001.jpg\t简单可依赖\n"),
        ("annotation_train.txt", "./2425/1/115_Lube_45484.jpg 45484\n"),
        ("labels.csv", "filename,words\na.jpg,TOTAL\n"),
        ("train.csv", "a.jpg,1968\n"),
    ],
)
def test_a_list_is_known(tmp_path: Path, file: str, row: str) -> None:
    (tmp_path / file).write_text(row, encoding="utf-8")
    assert matching_datasets(tmp_path) == ["words"]


@pytest.mark.parametrize("file", ["0001.gt.txt", "train/0001.gt.txt", "book/0001.gt.txt"])
def test_lines_are_known(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("eine Zeile\n")
    assert matching_datasets(tmp_path) == ["lines"]


@pytest.mark.parametrize(
    "row", ["img_1.jpg\n", 'img_1.jpg\t[{"transcription": "a"}]\n', "a.jpg 10,20,30,40,0\n"]
)
def test_lists_for_detection_are_not(tmp_path: Path, row: str) -> None:
    (tmp_path / "train.txt").write_text(row)
    assert "words" not in matching_datasets(tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")
def test_no_folder_of_another_format_is_claimed() -> None:
    folders = [path for path in DATA.rglob("*") if path.is_dir()]
    claimed = {
        folder.relative_to(DATA).as_posix(): {"words", "lines"} & {*matching_datasets(folder)}
        for folder in folders
    }
    assert len(folders) > 20
    assert {folder: names for folder, names in claimed.items() if names} == {
        "lines_ocrd_fraktur": {"lines"},
        "page_alto_fixtures": {"lines"},
        "page_alto_fixtures/kraken": {"lines"},
        "page_alto_fixtures/kraken/merge_tests": {"lines"},
        "toy_mmocr/rec_toy_dataset": {"words"},
        "words_icdar2015": {"words"},
        "words_iiit5k": {"words"},
    }

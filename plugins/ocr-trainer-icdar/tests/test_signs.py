"""A folder of one of these formats is known as such, and no other folder is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_trainer.plugin.discovery import matching_datasets

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
OURS = {"icdar2013", "icdar2015", "mtwi", "sroie"}
REAL = {"receipts_sroie2019": "sroie", "scene_icdar2015": "icdar2015", "web_mtwi_chinese": "mtwi"}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no data in {DATA}")
def test_of_all_real_folders_their_own_are_known() -> None:
    folders = [folder for folder in DATA.rglob("*") if folder.is_dir()]
    known = {str(folder.relative_to(DATA)): set(matching_datasets(folder)) & OURS for folder in folders}
    assert {name: plugins for name, plugins in known.items() if plugins} == {
        name: {plugin} for name, plugin in REAL.items()
    }


@pytest.mark.parametrize(
    ("file", "row", "plugin"),
    [
        ("Challenge2_Training_Task1_GT/gt_100.txt", '158 128 411 181 "Footpath"\r\n', "icdar2013"),
        ("Challenge2_Test_Task1_GT/gt_img_1.txt", '\ufeff38, 43, 920, 215, "Tiredness"\r\n', "icdar2013"),
        (
            "Challenge4_Test_Task1_GT/gt_img_1.txt",
            "\ufeff377,117,463,117,465,130,378,130,Genaxis\r\n",
            "icdar2015",
        ),
        ("gt/7.txt", "377,117,463,117,465,130,378,130,1,968\n", "icdar2015"),
        ("train/box/X51005200931.txt", "377,117,463,117,465,130,378,130,TOTAL\n", "sroie"),
        ("X51005200931.txt", "377,117,463,117,465,130,378,130,TOTAL\n", "sroie"),
        ("txt_train/T1.jpg.txt", "88.82,98.33,447.95,99.33,456.95,184.42,98.82,191.42,薄利汽配\n", "mtwi"),
        ("gt/gt_img_1.txt", "1,2,3,4,5,6,7,8,9,10,word\n", None),
        ("gt/gt_1.txt", "a row of words\n", None),
        ("labels/1.txt", "0 0.5 0.5 0.1 0.1\n", None),
    ],
)
def test_made_folders(tmp_path: Path, file: str, row: str, plugin: str | None) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(row, encoding="utf-8")
    assert matching_datasets(tmp_path) == ([plugin] if plugin else [])

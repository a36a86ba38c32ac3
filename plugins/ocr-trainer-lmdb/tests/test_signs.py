"""A folder of LMDBs is recognized, and no other folder is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_trainer.plugin.discovery import matching_datasets

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.parametrize("folder", ["", "train", "training/MJ"])
def test_its_own_folder_is_known(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "data.mdb").write_bytes(bytes(16) + b"\xde\xc0\xef\xbe")
    assert matching_datasets(tmp_path) == ["lmdb"]


@pytest.mark.skipif(not DATA.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")
def test_no_folder_of_another_format_is_claimed() -> None:
    folders = [DATA, *(path for path in DATA.rglob("*") if path.is_dir())]
    claimed = [
        folder.relative_to(DATA).as_posix() for folder in folders if "lmdb" in matching_datasets(folder)
    ]
    toy = "toy_mmocr/rec_toy_dataset"
    assert sorted(claimed) == [
        "toy_mmocr",
        toy,
        *(f"{toy}/{name}.lmdb" for name in ("broken", "imgs", "label")),
    ]

"""A dataset's folder of the wrong format says which plugin would read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.data.open import open_splits
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import FormatSignature, Kind, discovery

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDERS = {
    "forms_funsd": "funsd",
    "handwriting_timeus_alto_page/*": "page_xml",
    "receipts_sroie2019": "sroie",
    "scene_icdar2015": "icdar2015",
    "toy_mmocr/det_toy_dataset": "mmocr",
    "web_mtwi_chinese": "mtwi",
}
ROOTED = [
    name
    for name in discovery.names(Kind.dataset)
    if any(field == "root" for field in discovery.load(Kind.dataset, name).config.__dataclass_fields__)
]


def test_every_format_has_a_sign():
    assert len(ROOTED) >= 18
    assert [name for name in ROOTED if not discovery.load(Kind.dataset, name).signatures] == []


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", ["ufo", "labelme", "textocr"])
def test_the_right_plugin_is_named(folder: str, name: str):
    root = next(DATA.glob(folder), None)
    if root is None:
        pytest.skip(f"there is no {DATA / folder}")
    run = compose(
        [
            f"dataset={name}",
            f"dataset.root='{root}'",
            "model.neck_channels=8",
            "model.backbone.width=8",
            "data.num_workers=0",
        ]
    )
    context = run_context(run, Path())
    with pytest.raises(
        DataError, match=f"looks like another format: dataset={FOLDERS[folder]} dataset.root="
    ):
        open_splits(run, context)


def test_an_empty_folder_is_like_none(tmp_path: Path):
    assert discovery.matching_datasets(tmp_path) == []
    run = compose(["dataset=ufo", f"dataset.root='{tmp_path}'"])
    with pytest.raises(DataError) as refused:
        open_splits(run, run_context(run, Path()))
    assert "looks like" not in str(refused.value)


def test_files_that_cannot_be_read_are_no_sign(tmp_path: Path):
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a.csv").mkdir()
    (tmp_path / "train.json").write_bytes(b"\xff\xfe\x00")
    assert discovery.matching_datasets(tmp_path) == []


@pytest.mark.parametrize(
    "sign",
    [
        FormatSignature("*.txt", "("),
        FormatSignature("/etc/*"),
        FormatSignature(""),
        FormatSignature("**/*.txt", ""),
    ],
)
def test_a_malformed_sign_stands_nowhere(sign: FormatSignature, tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").touch()
    (tmp_path / "b.txt").touch()
    assert discovery._matches(tmp_path, sign) is (sign.files == "**/*.txt")

"""Names in annotations and names of files: exact, composed, and hints at similar ones."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.listed import Annotated, ListedDataset
from ocr_trainer.formats.names import FolderNames, NameIndex, path_suffixes, without_suffix
from ocr_trainer.formats.rows import Row, RowDataset, parse_corners
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import ListedPagesConfig, PairedConfig

ROW = "1,1,9,1,9,5,1,5,word\n"
NAMES = ("Quittung_für", "영수증1", "plain", "Ångström é")

letters = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", (20, 10)).save(path)


@given(st.lists(letters, unique=True, max_size=6), letters, st.sampled_from(["NFC", "NFD"]))
def test_a_name_is_found_exactly_or_else_composed(names: list[str], name: str, form: str):
    wanted = normalize(form, name)
    expected = wanted if wanted in names else None
    if expected is None:
        expected = next((n for n in names if normalize("NFC", n) == normalize("NFC", wanted)), None)
    assert NameIndex(names).find(wanted) == expected


def test_a_path_is_found_folder_by_folder(tmp_path: Path):
    folder, name = normalize("NFD", "Größe"), normalize("NFD", "für.png")
    image(tmp_path / folder / name)
    names = FolderNames(tmp_path)
    assert names.find("Größe/für.png") == f"{folder}/{name}"
    assert names.find("./Größe//für.png") == f"{folder}/{name}"
    assert names.find("Größe") is None  # a folder is no file
    assert (names.find("../x"), names.find("größe/für.png"), names.find("")) == (None, None, None)


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("photo.JPG", "; there is 'photo.JPG'"),
        ("Photo.jpg", "; there is 'Photo.jpg'"),
        ("photo.png", "; there is 'photo.png'"),
        ("2023/photo.jpg", "; there is '2023/photo.jpg'"),
        ("other.jpg", ""),
        ("photo.txt", ""),
    ],
)
def test_a_hint_names_a_file_that_differs_in_case_suffix_or_folder(tmp_path: Path, file: str, hint: str):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"\xff\xd8\xff\xe0 a photo")
    assert FolderNames(tmp_path).hint("photo.jpg") == hint


def test_the_hint_prefers_the_same_name_elsewhere(tmp_path: Path):
    for file in ("photo.png", "PHOTO.jpg", "deep/photo.jpg"):
        image(tmp_path / file)
    assert FolderNames(tmp_path).hint("a/photo.jpg") == "; there is 'deep/photo.jpg' and 2 more like it"


@given(st.text(max_size=20))
def test_any_text_may_be_a_name(name: str):
    assert isinstance(without_suffix(name), str)
    assert all(isinstance(tail, str) for tail in path_suffixes(name))
    assert NameIndex([]).find(name) is None


class Corners(RowDataset):
    prefixes = ("gt_", "")
    usual = (("images", "gt"),)

    def parse(self, row: str) -> Row:
        return parse_corners(row)


class Listed(ListedDataset):
    whole_names = ("all.rows",)
    image_folders = (".",)

    def read(self, file: Path):
        for name in file.read_text(encoding="utf-8").splitlines():
            self._data_report.read(images=1)
            yield Annotated(name, Labels())


def found(dataset, context: Context) -> tuple[int, list[str]]:
    return len(dataset.train or ()), [entry.reason for entry in context.data_report.skipped]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
@pytest.mark.parametrize("listed", [False, True])
def test_readers_with_a_file_per_image_compare_composed_names(tmp_path: Path, forms, listed: bool):
    (tmp_path / "gt").mkdir()
    for name in NAMES:
        image(tmp_path / "images" / f"{normalize(forms[0], name)}.png")
        (tmp_path / "gt" / f"gt_{normalize(forms[1], name)}.txt").write_text(ROW, encoding="utf-8")
    if listed:
        rows = "".join(f"images/{normalize(forms[1], name)}.png\n" for name in NAMES)
        (tmp_path / "train.txt").write_text(rows, encoding="utf-8")
    context = Context(task=Task.detection)
    config = PairedConfig(name="corners", root=tmp_path, val_share=0)
    assert found(Corners(config, context), context) == (len(NAMES), [])


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_readers_with_one_file_compare_composed_names(tmp_path: Path, forms):
    for name in NAMES:
        image(tmp_path / normalize(forms[0], "Größe") / f"{normalize(forms[0], name)}.png")
    rows = "".join(normalize(forms[1], f"Größe/{name}.png\n") for name in NAMES)
    (tmp_path / "all.rows").write_text(rows, encoding="utf-8")
    context = Context(task=Task.detection)
    config = ListedPagesConfig(name="rows", root=tmp_path, val_share=0)
    assert found(Listed(config, context), context) == (len(NAMES), [])


def test_hints_stand_in_the_reasons(tmp_path: Path):
    image(tmp_path / "images" / "Photo.png")
    image(tmp_path / "images" / "b.png")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt_photo.txt").write_text(ROW, encoding="utf-8")
    (tmp_path / "gt" / "gt_b.txt").write_text(ROW, encoding="utf-8")
    context = Context(task=Task.detection)
    images, reasons = found(
        Corners(PairedConfig(name="corners", root=tmp_path, val_share=0), context), context
    )
    assert images == 1
    assert sorted(reason.rpartition("; ")[2] for reason in reasons)[1] == "there is 'images/Photo.png'"
    (tmp_path / "all.rows").write_text("photo.png\nscans/b.png\n", encoding="utf-8")
    context = Context(task=Task.detection)
    images, reasons = found(
        Listed(ListedPagesConfig(name="rows", root=tmp_path, val_share=0), context), context
    )
    assert (images, reasons) == (
        0,
        [
            "there is no such image; there is 'images/Photo.png'",
            "there is no such image; there is 'images/b.png'",
        ],
    )

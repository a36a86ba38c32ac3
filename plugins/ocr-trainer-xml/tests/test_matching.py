"""Which image an XML file belongs to, and where both lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.page import PageXml
from ocr_trainer_xml.plugin import AltoXmlConfig, Match, PageXmlConfig
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

LINE = '<TextLine><Coords points="1,1 9,1 9,5"/></TextLine>'


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", (20, 10)).save(path)


def page(path: Path, name: str, size: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<PcGts><Page imageFilename="{name}" {size}>{LINE}</Page></PcGts>', encoding="utf-8")


def alto(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    described = f"<sourceImageInformation><fileName>{name}</fileName></sourceImageInformation>"
    path.write_text(
        f"<alto><Description><MeasurementUnit>pixel</MeasurementUnit>{described}</Description><Layout><Page/></Layout></alto>",
        encoding="utf-8",
    )


def open_page(root: Path, **options: Any) -> tuple[PageXml, list[str]]:
    """Return the dataset, with its train split read, and the entries of its data report."""
    context = Context(task=Task.detection)
    dataset = PageXml(PageXmlConfig(name="page_xml", root=root, **{"val_share": 0, **options}), context)
    assert dataset.train is not None
    return dataset, [
        str(entry).replace(f"{root}/", "").replace(str(root), ".") for entry in context.data_report.skipped
    ]


def names(split: Any) -> list[str] | None:
    return None if split is None else [path.name for path in split.files]


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("PH 1, a&b.png", "PH 1, a&amp;b.png"),
        ("a.png", "scans/2019/a.png"),
        ("a.png", r"C:\scans\a.png"),
        ("a b.png", "file:///scans/a%20b.png"),
        ("100%.png", "100%.png"),
        ("a.png", "../../../a.png"),
        ("a.png", "a.tif"),
        ("a.nrm.png", "a.nrm.png"),
        ("x.png", ""),
        (normalize("NFD", "é.png"), normalize("NFC", "é.png")),
    ],
)
def test_the_image_is_found_by_the_name_in_the_file(tmp_path: Path, file: str, named: str) -> None:
    image(tmp_path / file)
    page(tmp_path / "page" / "x.xml", named)
    dataset, entries = open_page(tmp_path)
    assert (names(dataset.train), entries) == ([file], [])
    alto(tmp_path / "alto" / "x.xml", named)
    context = Context(task=Task.detection)
    assert names(AltoXml(AltoXmlConfig(name="alto_xml", root=tmp_path, val_share=0), context).train) == [file]
    assert context.data_report.skipped == []


def test_the_name_in_the_file_wins(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        image(tmp_path / f"{name}.png")
    page(tmp_path / "a.xml", "b.png")
    page(tmp_path / "b.xml", "a.png")
    page(tmp_path / "c.xml", "gone.png")
    page(tmp_path / "d.xml", "lost.png")
    page(tmp_path / "e.xml", "a.png")
    dataset, entries = open_page(tmp_path)
    assert names(dataset.train) == ["a.png", "b.png"]
    assert entries == [
        "c.xml: it names the image 'gone.png', which is not in '.'; dataset.match=stem takes 'c.png'",
        "d.xml: there is no image 'lost.png' for it in '.'",
        "e.xml: its image 'a.png' already belongs to 'b.xml'",
        "c.png: no annotation file for it in '.'",
    ]
    by_stem, entries = open_page(tmp_path, match=Match.stem)
    assert names(by_stem.train) == ["a.png", "b.png", "c.png"]
    assert entries == [
        "d.xml: there is no image 'd' for it in '.'",
        "e.xml: there is no image 'e' for it in '.'",
    ]


def test_of_two_files_the_one_named_like_the_image_counts(tmp_path: Path) -> None:
    image(tmp_path / "m.png")
    for name in ("a", "m", "z"):
        page(tmp_path / f"{name}.xml", "m.png", 'imageWidth="20" imageHeight="10"' if name == "m" else "")
    dataset, entries = open_page(tmp_path)
    assert dataset.train.labels(0).size == (10, 20)
    assert entries == [f"{name}.xml: its image 'm.png' already belongs to 'm.xml'" for name in ("a", "z")]


def test_files_of_other_formats_are_counted_and_take_no_image(tmp_path: Path) -> None:
    for name in ("a", "b"):
        image(tmp_path / f"{name}.png")
    page(tmp_path / "a.page.xml", "a.png")
    alto(tmp_path / "a.xml", "a.png")
    alto(tmp_path / "b.xml", "b.png")
    (tmp_path / "mets.xml").write_text("<mets/>", encoding="utf-8")
    (tmp_path / "broken.xml").write_text("<PcGts>\n <Page", encoding="utf-8")
    dataset, entries = open_page(tmp_path)
    assert names(dataset.train) == ["a.png"]
    assert dataset._data_report.notes == [f"other files in '{tmp_path}', not read: 2 .xml"]
    other = "is not for dataset=page_xml: its root element is"
    assert entries == [
        "broken.xml: 'broken.xml' is not XML: line 2, column 2: unclosed token",
        f"b.png: 'b.xml' {other} <alto>, not <PcGts>; dataset=alto_xml reads it",
    ]


@pytest.mark.parametrize(
    ("images", "files"),
    [(".", "page"), ("images", "page"), ("images", "xml"), ("images", "annotations"), (".", "."), ("train", "train")],
)  # fmt: skip
def test_where_files_lie(tmp_path: Path, images: str, files: str) -> None:
    image(tmp_path / images / "a.png")
    page(tmp_path / files / "a.xml", "a.png")
    dataset, entries = open_page(tmp_path)
    assert (names(dataset.train), entries) == (["a.png"], [])


def test_folders_and_lists_that_the_options_name(tmp_path: Path) -> None:
    for number in range(3):
        image(tmp_path / "scans" / f"{number}.png")
        page(tmp_path / "truth" / f"{number}.xml", f"{number}.png")
    (tmp_path / "train.txt").write_text("0\n", encoding="utf-8")
    (tmp_path / "val.txt").write_text("1.png\n9\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no images with annotations"):
        open_page(tmp_path)
    dataset, _ = open_page(tmp_path, images=Path("scans"), annotations=Path("truth"))
    assert (names(dataset.train), names(dataset.val), dataset.test) == (["0.png"], ["1.png"], None)


def test_images_with_one_stem_have_a_file_each(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        image(tmp_path / f"a.{suffix}")
        page(tmp_path / f"a.{suffix}.xml", f"a.{suffix}")
    dataset, entries = open_page(tmp_path)
    assert (names(dataset.train), entries) == (["a.jpg", "a.png"], [])


def test_an_image_of_another_size_is_refused_with_both(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    page(tmp_path / "a.xml", "a.png", 'imageWidth="10" imageHeight="20"')
    dataset, _ = open_page(tmp_path)
    with pytest.raises(DataError, match=r"a\.png' is 20 x 10 pixels, but was annotated at 10 x 20"):
        dataset.train[0]

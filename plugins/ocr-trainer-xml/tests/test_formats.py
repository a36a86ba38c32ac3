"""What the two formats say of a page, on files made from their schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.dataset import XmlDataset
from ocr_trainer_xml.page import PageXml
from ocr_trainer_xml.plugin import AltoXmlConfig, PageXmlConfig

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.plugin import Context, Task

BOX = "4,4 30,4 30,12 4,12"
POINTS = [[4, 4], [30, 4], [30, 12], [4, 12]]


def page(lines: str, attributes: str = 'imageFilename="a.png" imageWidth="48" imageHeight="32"') -> str:
    return f'<PcGts xmlns="urn:x"><Page {attributes}>{lines}</Page></PcGts>'


def alto(lines: str, unit: str = "pixel", attributes: str = 'WIDTH="48" HEIGHT="32"') -> str:
    described = f"<MeasurementUnit>{unit}</MeasurementUnit>" if unit else ""
    return (
        f"<alto><Description>{described}</Description><Layout><Page {attributes}><PrintSpace>"
        f"<TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout></alto>"
    )


def read(folder: Path, document: str, **options: Any) -> tuple[Labels, list[str]]:
    """Return the labels of a document and the entries of its data report."""
    (folder / "a.xml").write_text(document, encoding="utf-8")
    (folder / "a.png").touch()
    context = Context(task=Task.detection)
    dataset: XmlDataset
    if document.startswith("<PcGts"):
        dataset = PageXml(PageXmlConfig(name="page_xml", root=folder, **options), context)
    else:
        dataset = AltoXml(AltoXmlConfig(name="alto_xml", root=folder, **options), context)
    labels = dataset.read(folder / "a.xml")
    return labels, [str(entry).removeprefix(f"{folder}/") for entry in context.data_report.skipped]


def line(coords: str = f'<Coords points="{BOX}"/>', *texts: str) -> str:
    return f"<TextLine>{coords}{''.join(texts)}</TextLine>"


def equiv(text: str, attributes: str = "") -> str:
    return f"<TextEquiv {attributes}><Unicode>{text}</Unicode></TextEquiv>"


@pytest.mark.parametrize(
    "coords",
    [
        f'<Coords points="{BOX}"/>',
        '<Coords points="4,4 30,4 30,4 30,12 30,12 4,12 4,12 4,4"/>',
        '<Coords><Point x="4" y="4"/><Point x="30" y="4"/><Point x="30" y="12"/><Point x="4" y="12"/></Coords>',
        f'<Coords conf="0.5" points=" 4.0,4.0  30,4\n30,12 4,12"/><Baseline points="{BOX}"/>',
    ],
)
def test_outlines_of_page(tmp_path: Path, coords: str) -> None:
    labels, entries = read(tmp_path, page(line(coords)))
    assert [polygon.tolist() for polygon in labels.polygons] == [POINTS]
    assert (labels.size, entries) == ((32, 48), [])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (equiv("  Gr&#xFC;ße,  Welt "), "Größe,  Welt".replace("ö", "ü")),
        (equiv("second", 'index="1"') + equiv("first", 'index="0"'), "first"),
        (equiv("only", 'index="7" conf="0.2"'), "only"),
        (equiv("one") + equiv("two"), "one"),
        (equiv("one", 'index="x"') + equiv("two", 'index="1"'), "one"),
        (equiv("", 'index="0"') + equiv("guess", 'index="1"'), ""),
        (equiv(" "), ""),
        ("<TextEquiv/>", ""),
        (f"<Word>{equiv('two')}</Word><Word>{equiv('words')}</Word>", "two words"),
        (f"<Word>{equiv('Words')}</Word>{equiv('line')}", "line"),
    ],
)
def test_texts_of_page(tmp_path: Path, texts: str, expected: str) -> None:
    labels, _ = read(tmp_path, page(line(f'<Coords points="{BOX}"/>', texts)))
    assert labels.texts == [expected]
    assert labels.ignore == [False]
    assert read(tmp_path, page(line(f'<Coords points="{BOX}"/>', texts)), ignore_untranscribed=True)[
        0
    ].ignore == [not expected]


@pytest.mark.parametrize(
    ("element", "points"),
    [
        ('<TextLine HPOS="4" VPOS="4.0" WIDTH="26" HEIGHT="8">', POINTS),
        ('<TextLine HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9"><Shape><Polygon POINTS="4 4 30 4 30 12 4 12 4 4"/></Shape>', POINTS),
        (f'<TextLine><Shape><Polygon POINTS="{BOX}"/></Shape>', POINTS),
        ('<TextLine HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8"><Shape><Ellipse HPOS="1" VPOS="1"/></Shape>', POINTS),
        ('<TextLine HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8"><Shape><Polygon POINTS=""/></Shape>', POINTS),
    ],
)  # fmt: skip
def test_outlines_of_alto(tmp_path: Path, element: str, points: list) -> None:
    labels, entries = read(tmp_path, alto(f"{element}</TextLine>"))
    assert [polygon.tolist() for polygon in labels.polygons] == [points]
    assert (labels.size, entries) == ((32, 48), [])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ('<String CONTENT="Grüße,"/><SP/><String CONTENT="Welt"/>', "Grüße, Welt"),
        ('<String CONTENT="no"/><String CONTENT="blank"/>', "no blank"),
        ('<String CONTENT="Donau"/><SP/><String CONTENT="dampf" SUBS_CONTENT="dampfer"/><HYP CONTENT="-"/>', "Donau dampf-"),
        ('<SP/><String CONTENT=""/><SP/><String CONTENT=" one "/>', "one"),
        ("", ""),
        ('<String CONTENT="a"><ALTERNATIVE>b</ALTERNATIVE><Glyph CONTENT="c"/></String>', "a"),
    ],
)  # fmt: skip
def test_texts_of_alto(tmp_path: Path, parts: str, expected: str) -> None:
    labels, _ = read(tmp_path, alto(f'<TextLine HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8">{parts}</TextLine>'))
    assert labels.texts == [expected]


@pytest.mark.parametrize(
    ("unit", "dpi", "corner"),
    [("pixel", None, 30), ("", None, 30), ("mm10", 254, 30), ("mm10", 508, 60), ("inch1200", 600, 15)],
)
def test_units_of_alto(tmp_path: Path, unit: str, dpi: float | None, corner: float) -> None:
    document = alto('<TextLine HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8"/>', unit)
    labels, _ = read(tmp_path, document, dpi=dpi)
    assert labels.polygons[0].max() == corner
    assert labels.size == ((32, 48) if corner == 30 else None)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (alto("", "mm10"), "a.xml' measures in mm10 and does not give the size of its page: set the resolution of its image in dots per inch (dataset.dpi=300), or export it with the MeasurementUnit pixel"),
        (alto("", "mm"), "a.xml' measures in 'mm', which is not a unit of ALTO: pixel, mm10, inch1200"),
        (alto("", attributes='WIDTH="foo" HEIGHT="1"'), "a.xml', line 1: WIDTH: 'foo' is not a number"),
        (page("", 'imageWidth="-1"'), "a.xml', line 1: imageWidth: -1 is not the side of an image"),
        (page("", 'imageHeight="nan"'), "a.xml', line 1: imageHeight: nan is not the side of an image"),
        (page("", 'imageHeight="99999999999"'), "a.xml', line 1: imageHeight: 1e+11 is not the side of an image"),
        ("<PcGts/>", "a.xml' describes 0 pages instead of one"),
        ("<PcGts><Page/><Page/></PcGts>", "a.xml' describes 2 pages instead of one"),
        ("<mets/>", "a.xml' is not for dataset=alto_xml: its root element is <mets>, not <alto>"),
    ],
)  # fmt: skip
def test_a_file_of_no_use_is_refused(tmp_path: Path, document: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, document)
    assert str(caught.value).endswith(message)


def test_each_format_names_the_other(tmp_path: Path) -> None:
    (tmp_path / "b.xml").write_text(alto(""), encoding="utf-8")
    (tmp_path / "a.png").touch()
    dataset = PageXml(PageXmlConfig(name="page_xml", root=tmp_path), Context(task=Task.detection))
    with pytest.raises(
        DataError, match=r"its root element is <alto>, not <PcGts>; dataset=alto_xml reads it$"
    ):
        dataset.read(tmp_path / "b.xml")


@pytest.mark.parametrize("sides", ["", 'imageWidth="0" imageHeight="0"', 'imageWidth="48"'])
def test_a_size_that_is_not_known_is_not_checked(tmp_path: Path, sides: str) -> None:
    assert read(tmp_path, page(line(), sides))[0].size is None


def test_labels_of_no_use_are_entered_with_their_line(tmp_path: Path) -> None:
    kinds = [
        line(), line("<Baseline points='1,1 9,9'/>"), line("<Coords/>"), line('<Coords points="1,2 3"/>'),
        line('<Coords points="1,2 x,4 5,6"/>'), line('<Coords points="5,5 5,5 5,5"/>'),
        line('<Coords points="1,1 9,9 9,1 1,9"/>'), line('<Coords points="1,1 5,5 9,9"/>'),
        line('<Coords points="nan,1 5,5 9,9"/>'), line('<Coords><Point x="1"/></Coords>'),
    ]  # fmt: skip
    labels, entries = read(tmp_path, page("\n" + "\n".join(kinds)))
    assert labels.ignore == [False, *[True] * 5]
    assert entries == [
        "a.xml:3: the TextLine has no outline: kept as don't care",
        "a.xml:4: the TextLine has no outline",
        "a.xml:5: '3' is not a point x,y",
        "a.xml:6: 'x' is not a number",
        "a.xml:7: 1 point is not a polygon: kept as don't care",
        "a.xml:8: the outline crosses itself: kept as don't care",
        "a.xml:9: the outline has no area: kept as don't care",
        "a.xml:10: the coordinate nan is not a finite number: kept as don't care",
        "a.xml:11: '' is not a number",
    ]
    boxes = '\n<TextLine BASELINE="5"/>\n<TextLine HPOS="4" VPOS="4" WIDTH="0" HEIGHT="8"/>\n<TextLine HPOS="a" VPOS="4" WIDTH="0" HEIGHT="8"/>'
    assert read(tmp_path, alto(boxes))[1] == [
        "a.xml:2: the TextLine has no outline",
        "a.xml:3: its box is 0 wide and 8 high: kept as don't care",
        "a.xml:4: 'a' is not a number",
    ]

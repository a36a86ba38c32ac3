"""Regions, lines and words; and any XML at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.dataset import XmlDataset
from ocr_trainer_xml.page import PageXml
from ocr_trainer_xml.plugin import AltoXmlConfig, Level, PageXmlConfig

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

PAGE = """<PcGts><Page>
<TextRegion><Coords points="0,0 40,0 40,30"/>
<TextLine><Coords points="0,0 40,0 40,10"/>
<Word><Coords points="0,0 10,0 10,10"/><TextEquiv><Unicode>one</Unicode></TextEquiv></Word>
<Word><Coords points="20,0 40,0 40,10"/><TextEquiv><Unicode>two</Unicode></TextEquiv></Word></TextLine>
<TextLine><Coords points="0,12 40,12 40,20"/><TextEquiv><Unicode>three</Unicode></TextEquiv></TextLine></TextRegion>
<TextRegion><Coords points="0,40 40,40 40,60"/><TextEquiv><Unicode>four</Unicode></TextEquiv></TextRegion>
<ImageRegion><Coords points="0,70 40,70 40,80"/></ImageRegion></Page></PcGts>"""

BOX = 'HPOS="1" WIDTH="40"'
ALTO = f"""<alto><Description><MeasurementUnit>pixel</MeasurementUnit></Description><Layout><Page>
<ComposedBlock><TextBlock {BOX} VPOS="0" HEIGHT="30">
<TextLine {BOX} VPOS="0" HEIGHT="10">
<String CONTENT="one" {BOX} VPOS="0" HEIGHT="10"/>
<String CONTENT="two" {BOX} VPOS="0" HEIGHT="10"/></TextLine>
<TextLine {BOX} VPOS="12" HEIGHT="8"/></TextBlock></ComposedBlock>
<TextBlock {BOX} VPOS="40" HEIGHT="20"/>
<GraphicalElement {BOX} VPOS="70" HEIGHT="10"/></Page></Layout></alto>"""


def open_dataset(folder: Path, document: str, **options: Any) -> tuple[XmlDataset, Context]:
    (folder / "a.xml").write_text(document, encoding="utf-8")
    (folder / "a.png").touch()
    context = Context(task=Task.detection)
    if document is PAGE or "<PcGts" in document:
        return PageXml(PageXmlConfig(name="page_xml", root=folder, **options), context), context
    return AltoXml(AltoXmlConfig(name="alto_xml", root=folder, **options), context), context


@pytest.mark.parametrize(
    ("document", "level", "texts", "ignore", "entries"),
    [
        (PAGE, "region", ["one two\nthree", "four"], [0, 0], []),
        (PAGE, "line", ["one two", "three", ""], [0, 0, 1], [(7, "TextRegion", "TextLine")]),
        (PAGE, "word", ["one", "two", "", ""], [0, 0, 1, 1], [(6, "TextLine", "Word"), (7, "TextRegion", "Word")]),
        (ALTO, "region", ["one two", ""], [0, 0], []),
        (ALTO, "line", ["one two", "", ""], [0, 0, 1], [(7, "TextBlock", "TextLine")]),
        (ALTO, "word", ["one", "two", "", ""], [0, 0, 1, 1], [(6, "TextLine", "String"), (7, "TextBlock", "String")]),
    ],
)  # fmt: skip
def test_what_was_not_divided_is_no_background(
    tmp_path: Path, document: str, level: str, texts: list, ignore: list, entries: list
) -> None:
    dataset, context = open_dataset(tmp_path, document, level=Level[level])
    labels = dataset.read(tmp_path / "a.xml")
    assert (labels.texts, labels.ignore) == (texts, ignore)
    expected = [(line, f"the {tag} has no {part}: kept as don't care") for line, tag, part in entries]
    assert [(entry.line, entry.reason) for entry in context.data_report.skipped] == expected
    assert context.data_report.labels == len(texts)


@pytest.mark.parametrize(
    ("document", "level", "message"),
    [
        (PAGE.replace("Word>", "Glyph>"), "word", "has no Word, but 2 TextLine: dataset.level=line"),
        (PAGE.replace("TextRegion>", "Margin>"), "region", "has no TextRegion, but 2 TextLine: dataset.level=line"),
        ("<PcGts><Page><TextRegion/></Page></PcGts>", "line", "has no TextLine, but 1 TextRegion: dataset.level=region"),
        ("<alto><Page><String/></Page></alto>", "line", "has no TextLine, but 1 String: dataset.level=word"),
    ],
)  # fmt: skip
def test_a_page_without_the_level_is_not_taken_for_one_without_text(
    tmp_path: Path, document: str, level: str, message: str
) -> None:
    dataset, _ = open_dataset(
        tmp_path, document.replace("<Word", "<Glyph") if "Glyph" in document else document, level=Level[level]
    )
    with pytest.raises(DataError) as caught:
        dataset.read(tmp_path / "a.xml")
    assert str(caught.value) == f"'{tmp_path / 'a.xml'}' {message}"


def test_a_page_without_text_is_kept(tmp_path: Path) -> None:
    for document in ("<PcGts><Page/></PcGts>", "<alto><Page/></alto>"):
        assert open_dataset(tmp_path, document)[0].read(tmp_path / "a.xml").polygons == []


FUZZ = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])

tags = st.sampled_from(
    [
        "TextRegion",
        "TextLine",
        "Word",
        "Coords",
        "Point",
        "TextEquiv",
        "TextBlock",
        "String",
        "HYP",
        "Shape",
        "Page",
    ]
)
values = st.sampled_from(
    ["0", "7", "-1", "1e9", "nan", "x", "1,2 3,4 9,1", "1 2 3 4 9 1", "1,2 3", "1,2 3,4 9,1 1,2"]
)
attributes = st.dictionaries(
    st.sampled_from(["points", "POINTS", "x", "y", "index", "HPOS", "VPOS", "WIDTH", "HEIGHT", "CONTENT"]),
    values,
)
elements = st.recursive(
    st.builds(lambda t, a: (t, a, []), tags, attributes),
    lambda inner: st.tuples(tags, attributes, st.lists(inner, max_size=4)),
    max_leaves=25,
)


def written(element: tuple) -> str:
    tag, named, inner = element
    return f"<{tag} {' '.join(f'{k}={v!r}' for k, v in named.items())}>{''.join(map(written, inner))}</{tag}>"


@FUZZ
@given(st.lists(elements, max_size=4), st.sampled_from(["PcGts", "alto"]), st.sampled_from(list(Level)))
def test_any_elements_are_read_or_refused(tmp_path: Path, inner: list, root: str, level: Level) -> None:
    body = "".join(map(written, inner))
    dataset, context = open_dataset(tmp_path, f"<{root}><Page>{body}</Page></{root}>", level=level)
    try:
        labels = dataset.read(tmp_path / "a.xml")
    except DataError:
        return
    assert len(labels.polygons) == len(labels.texts) == len(labels.ignore)
    told = [entry for entry in context.data_report.skipped if entry.what != "remark"]
    left_out = [entry for entry in told if not entry.reason.endswith("kept as don't care")]
    assert context.data_report.labels == len(labels.polygons) + len(left_out)
    assert all(entry.line == 1 and entry.file == str(tmp_path / "a.xml") for entry in told)


@FUZZ
@given(st.binary(max_size=120), st.booleans())
def test_a_dataset_of_random_bytes_opens_without_them(tmp_path: Path, data: bytes, page: bool) -> None:
    dataset, context = open_dataset(tmp_path, "<PcGts/>" if page else "<alto/>", val_share=0)
    (tmp_path / "a.xml").write_bytes(data)
    assert len(dataset.train) == 0
    assert [(entry.what, entry.file) for entry in context.data_report.skipped] == [
        ("image", str(tmp_path / "a.png"))
    ]

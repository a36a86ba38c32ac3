"""ALTO is read back by the `alto_xml` plugin, and is valid by the schema of the Library of Congress."""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from helpers.pages import AWKWARD, WHEN, page
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.plugin import AltoXmlConfig, Level

from ocr_trainer.plugin import Context, Task
from ocr_trainer.results import Page
from ocr_trainer_runtime.results import alto

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
SCHEMA = DATA / "schemas" / "alto-4-4.xsd"
NS = "{http://www.loc.gov/standards/alto/ns-v4#}"


def written(found: Page) -> str:
    return alto.write(found, "ocr-trainer 1.2", WHEN)


def read_by_plugin(folder: Path, text: str, level: str) -> list[tuple[str, list[list[float]]]]:
    """Read ALTO with the `alto_xml` plugin, as a dataset of one image."""
    (folder / "images").mkdir()
    (folder / "alto").mkdir()
    cv2.imwrite(str(folder / "images" / "a page.png"), np.zeros((300, 400, 3), np.uint8))
    (folder / "alto" / "a page.alto.xml").write_text(text, encoding="utf-8")
    config = AltoXmlConfig(name="alto_xml", root=folder, val_share=0.0, level=Level[level])
    sample = AltoXml(config, Context(task=Task.detection)).train[0]
    return [(t, p.tolist()) for t, p in zip(sample.texts, sample.polygons, strict=True)]


def test_words_are_read_back_by_the_plugin(tmp_path: Path):
    words = read_by_plugin(tmp_path, written(page(*AWKWARD)), "word")
    assert [word for word, _ in words] == AWKWARD
    assert words[3][1] == [[220, 60], [370, 60], [370, 85], [220, 85]]


@pytest.mark.parametrize(
    ("level", "texts"), [("line", ["one two", "three four"]), ("region", ["one two\nthree four"])]
)
def test_lines_and_blocks_contain_the_text_of_their_words(level: str, texts: list[str], tmp_path: Path):
    text = written(page("one", "two", "three", "four"))
    assert [t for t, _ in read_by_plugin(tmp_path, text, level)] == texts


def test_confidences_and_reading_order():
    root = ElementTree.fromstring(written(page("one", "two", "three")))
    strings = list(root.iter(f"{NS}String"))
    assert [(s.get("CONTENT"), s.get("WC")) for s in strings] == [
        (w, "0.5000") for w in ("one", "two", "three")
    ]
    glyphs = [[(g.get("CONTENT"), g.get("GC")) for g in s.iter(f"{NS}Glyph")] for s in strings]
    assert glyphs == [[(c, "0.5000") for c in word] for word in ("one", "two", "three")]
    order = [ref.get("REF") for ref in root.iter(f"{NS}ElementRef")]
    assert order == [block.get("ID") for block in root.iter(f"{NS}TextBlock")]
    assert root.findtext(f".//{NS}fileName") == "a page.png"
    assert root.findtext(f".//{NS}softwareVersion") == "1.2"


def test_right_to_left_blocks_say_so():
    blocks = list(ElementTree.fromstring(written(page("שלום", "עולם"))).iter(f"{NS}TextBlock"))
    assert [block.get("BASEDIRECTION") for block in blocks] == ["rtl"]


def test_without_a_recognizer_contents_are_empty():
    root = ElementTree.fromstring(written(page("one", "two", read=False)))
    assert [(s.get("CONTENT"), s.get("WC")) for s in root.iter(f"{NS}String")] == [("", None)] * 2
    assert list(root.iter(f"{NS}Glyph")) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_documents_with_any_text_can_be_parsed(texts: list[str]):
    found = page(*texts, source="".join(texts) + ".png")
    strings = ElementTree.fromstring(written(found)).iter(f"{NS}String")
    forbidden = "[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
    assert [s.get("CONTENT") for s in strings] == [re.sub(forbidden, "\ufffd", w.text) for w in found.words]


@pytest.mark.skipif(not SCHEMA.exists(), reason="the ALTO schema is not among the data (OCR_TRAINER_DATA)")
@pytest.mark.parametrize(
    "found",
    [page(), page("one"), page(*AWKWARD, "", "\u0301x", "שלום", "𝔘"), page("one", "two", read=False)],
    ids=["empty", "one", "awkward", "unread"],
)
def test_documents_are_valid_by_the_schema(found: Page):
    xmlschema = pytest.importorskip("xmlschema")
    # The Library's XLink schema, which is not at hand, only has deprecated attributes of blocks.
    xlink = r'<xsd:import [^>]*xlink.xsd"/>|<xsd:attributeGroup ref="xlink:.*?</xsd:attributeGroup>'
    schema = xmlschema.XMLSchema(re.sub(xlink, "", SCHEMA.read_text("utf-8"), flags=re.DOTALL))
    assert [str(error.reason) for error in schema.iter_errors(written(found))] == []
    broken = written(found).replace("<MeasurementUnit>pixel", "<MeasurementUnit>pixels")
    assert len(list(schema.iter_errors(broken))) == 1

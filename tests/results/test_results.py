"""Result files as JSON, PAGE XML, hOCR and plain text, each read back by an independent reader."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.pages import AWKWARD, WHEN, page, reading
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.types import Detections, Recognition
from ocr_trainer.results import Page, page_of
from ocr_trainer_runtime.results import alto, hocr, json_file, page_xml, plain, shown_path, tsv
from ocr_trainer_runtime.results.outline import hull

PAGE = "{http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15}"


class Words(HTMLParser):
    """Parser of hOCR: words and their properties by line, and the elements that are not closed yet."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.lines: list[list[tuple[str, str]]] = []
        self.titles: dict[str, list[str]] = {}
        self.meta: dict[str, str] = {}
        self.rtl = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attributes}
        kind = values.get("class", "")
        self.open.append((tag, kind))
        self.titles.setdefault(kind, []).append(values.get("title", ""))
        if tag == "meta":
            self.meta[values.get("name", "charset")] = values.get("content", "")
        if kind == "ocr_line":
            self.lines.append([])
        if kind == "ocrx_word":
            self.lines[-1].append((values["title"], ""))
        self.rtl |= values.get("dir") == "rtl"

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag == "meta"  # HTML allows no other element here to be self-closing
        super().handle_startendtag(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][1] == "ocrx_word":
            title, words = self.lines[-1][-1]
            self.lines[-1][-1] = title, words + data


def words_of(text: str) -> Words:
    parser = Words()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def read_by_plugin(folder: Path, text: str, level: str) -> list[tuple[str, list[list[float]]]]:
    """Read PAGE XML with the `page_xml` plugin, as a dataset of one image."""
    import cv2
    from ocr_trainer_xml.page import PageXml
    from ocr_trainer_xml.plugin import Level, PageXmlConfig

    from ocr_trainer.plugin import Context, Task

    (folder / "images").mkdir()
    (folder / "page").mkdir()
    cv2.imwrite(str(folder / "images" / "a page.png"), np.zeros((300, 400, 3), np.uint8))
    (folder / "page" / "a page.xml").write_text(text, encoding="utf-8")
    config = PageXmlConfig(name="page_xml", root=folder, val_share=0.0, level=Level[level])
    sample = PageXml(config, Context(task=Task.detection)).train[0]
    return [(t, p.tolist()) for t, p in zip(sample.texts, sample.polygons, strict=True)]


def test_page_xml_is_read_back_by_the_plugin(tmp_path: Path):
    text = page_xml.write(page(*AWKWARD), "ocr-trainer", WHEN)
    words = read_by_plugin(tmp_path, text, "word")
    assert [word for word, _ in words] == AWKWARD
    assert words[3][1] == [[220, 60], [370, 60], [370, 85], [220, 85]]


@pytest.mark.parametrize(
    ("level", "texts"), [("line", ["one two", "three four"]), ("region", ["one two\nthree four"])]
)
def test_lines_and_regions_contain_the_text_of_their_words(level: str, texts: list[str], tmp_path: Path):
    text = page_xml.write(page("one", "two", "three", "four"), "ocr-trainer", WHEN)
    assert [t for t, _ in read_by_plugin(tmp_path, text, level)] == texts


def test_page_xml_follows_the_schema():
    root = ElementTree.fromstring(page_xml.write(page("one", "two", "three"), "ocr-trainer 1", WHEN))
    assert root.tag == f"{PAGE}PcGts"
    metadata, top = root
    assert [child.tag for child in metadata] == [f"{PAGE}{n}" for n in ("Creator", "Created", "LastChange")]
    assert metadata[1].text == "2026-11-23T15:04:05Z"
    size = {"imageWidth": "400", "imageHeight": "300"}
    assert top.attrib == {"imageFilename": "a page.png", "custom": "exifOrientation {value:applied;}"} | size
    order, region = top
    assert [child.get("regionRef") for child in order[0]] == [region.get("id")]
    orders = {
        "TextRegion": ["Coords", "TextLine", "TextLine", "TextEquiv"],
        "Word": ["Coords", "TextEquiv"],
        "TextEquiv": ["Unicode"],
    }
    for name, children in orders.items():
        for element in root.iter(f"{PAGE}{name}"):
            assert [child.tag.removeprefix(PAGE) for child in element] == children
    for element in root.iter(f"{PAGE}TextLine"):
        tags = [child.tag.removeprefix(PAGE) for child in element]
        assert re.fullmatch("Coords( Word)+ TextEquiv", " ".join(tags))
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names)) == 1 + 1 + 2 + 3
    for coords in root.iter(f"{PAGE}Coords"):
        assert re.fullmatch(r"([0-9]+,[0-9]+ )+([0-9]+,[0-9]+)", coords.attrib["points"])
    confidences = [float(element.attrib["conf"]) for element in root.iter() if element.get("conf")]
    assert set(confidences) == {0.5, 0.875}


def test_a_page_without_detections():
    empty = page()
    assert list(ElementTree.fromstring(page_xml.write(empty, "x", WHEN))[1]) == []
    assert words_of(hocr.write(empty, "x")).lines == []
    assert plain.write(empty) == ""
    assert json.loads(json_file.write(empty))["detections"] == []


def test_without_a_recognizer_the_files_have_no_texts():
    found = page("one", "two", read=False)
    root = ElementTree.fromstring(page_xml.write(found, "x", WHEN))
    assert list(root.iter(f"{PAGE}TextEquiv")) == []
    assert len(list(root.iter(f"{PAGE}Word"))) == 2
    assert [title for title, _ in words_of(hocr.write(found, "x")).lines[0] if "x_wconf" in title] == []
    assert all(set(d) == {"polygon", "score", "block", "line"} for d in _detections(found))


def _detections(found: Page) -> list[dict]:
    return json.loads(json_file.write(found))["detections"]


def test_hocr_is_read_back():
    words = words_of(hocr.write(page(*AWKWARD, source='odd "name";.png'), "ocr-trainer 1"))
    assert [[text for _, text in line] for line in words.lines] == [AWKWARD[:2], AWKWARD[2:]]
    assert words.lines[1][1][0] == "bbox 220 60 370 85; poly 220 60 370 60 370 85 220 85; x_wconf 50"
    assert words.titles["ocr_page"] == [
        'image "odd %22name%22;.png"; bbox 0 0 400 300; x_exif_orientation applied'
    ]
    assert words.titles["ocr_line"] == ["bbox 20 20 370 45", "bbox 20 60 370 85"]
    assert words.meta["ocr-system"] == "ocr-trainer 1"
    assert {"ocr_page", "ocr_line", "ocrx_word", "ocrp_poly"} <= set(words.meta["ocr-capabilities"].split())
    assert not words.rtl


def test_right_to_left_text():
    found = page("שלום", "עולם")
    assert plain.write(found) == "עולם שלום\n"
    assert words_of(hocr.write(found, "x")).rtl
    root = ElementTree.fromstring(page_xml.write(found, "x", WHEN))
    assert root[1].get("readingDirection") == "right-to-left"
    assert [element.text for element in root.iter(f"{PAGE}Unicode")][-1] == "עולם שלום"


def test_json_contains_all_fields():
    record = json.loads(json_file.write(page("héééé", "", "שלום")))
    assert (record["image"], record["width"], record["height"]) == ("scans/a page.png", 400, 300)
    assert record["warnings"] == ["a warning"]
    first, nothing, last = record["detections"]
    assert (first["text"], first["text_score"], first["character_scores"]) == ("héééé", 0.5, [0.5] * 5)
    assert np.allclose(first["polygon"], [[19.6, 20], [170.3, 20], [170.3, 45], [19.6, 45]])
    assert (nothing["text"], nothing["character_scores"]) == ("", [])
    assert [(d["block"], d["line"]) for d in (first, nothing, last)] == [(0, 0), (0, 0), (0, 1)]


def test_all_formats_give_the_mean_confidence_of_the_characters():
    """The probability of the text, 0.2, would fall with its length."""
    read = Recognition("abcd", np.array([0.5, 0.9, 0.9, 0.9], np.float32), 0.2)
    polygon = np.array([(10, 10), (60, 10), (60, 30), (10, 30)], np.float32)
    found = page_of("a.png", (90, 200), Detections([polygon], np.ones(1, np.float32)), [read])
    (word,) = found.words
    assert word.confidence == pytest.approx(0.8)
    assert json.loads(json_file.write(found))["detections"][0]["text_score"] == 0.8
    assert "x_wconf 80" in hocr.write(found, "x")
    assert 'WC="0.8000"' in alto.write(found, "x", WHEN)
    assert page_xml.write(found, "x", WHEN).count('<TextEquiv conf="0.8000">') == 3
    assert "\t80.00\tabcd\n" in tsv.write(found)
    assert Recognition("", np.empty(0, np.float32), 0.3).confidence == 0.3


def test_a_json_line_of_a_text_image():
    assert json.loads(json_file.row("a.png", reading("x\u2028y"))) == {
        "version": 1,
        "image": "a.png",
        "text": "x\u2028y",
        "text_score": 0.5,
        "character_scores": [0.5] * 3,
    }


def test_plain_text_omits_empty_texts():
    assert plain.write(page("one", "", "", "", "five")) == "one\nfive\n"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_documents_with_any_text_can_be_parsed(texts: list[str]):
    found = page(*texts, source="".join(texts) + ".png")
    root = ElementTree.fromstring(page_xml.write(found, "x", WHEN))
    read = [word.findtext(f"{PAGE}TextEquiv/{PAGE}Unicode") for word in root.iter(f"{PAGE}Word")]
    forbidden = "[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
    kept = [re.sub(forbidden, "\ufffd", word.text).replace("\r\n", "\n") for word in found.words]
    assert [word.replace("\r", "\n") for word in read] == [word.replace("\r", "\n") for word in kept]
    ElementTree.fromstring(hocr.write(found, "x").replace("<!DOCTYPE html>\n", ""))
    assert len(_detections(found)) == len(texts)


def test_paths_that_are_not_utf8_can_be_written():
    name = shown_path(b"bad\xff.png".decode("utf-8", "surrogateescape"))
    assert name == "bad\ufffd.png"
    json_file.write(page("a", source=name)).encode("utf-8")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=20))
def test_the_convex_hull_equals_that_of_shapely(points: list[tuple[int, int]]):
    import shapely

    found = hull([np.array(points)])
    expected = shapely.MultiPoint(points).convex_hull
    shape = {1: shapely.Point, 2: shapely.LineString}.get(len(found), shapely.Polygon)
    assert shape(found[0] if len(found) == 1 else found).equals(expected)

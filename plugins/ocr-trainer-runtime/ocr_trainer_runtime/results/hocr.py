"""Writer of hOCR 1.2: an `ocr_carea` per block, with its `ocr_line`s, and an `ocrx_word` per word.

Specification: K. Baierer (editor), hOCR 1.2, after T. Breuel, "The hOCR microformat for OCR workflow and
results", ICDAR 2007. With a line detector, each word element holds a whole line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from ocr_trainer_runtime.results.markup import clean, serialize
from ocr_trainer_runtime.results.outline import Outline, box, hull, outline
from ocr_trainer_runtime.results.writer import EXIF_ORIENTATION, PRODUCER, Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word

CAPABILITIES = "ocr_page ocr_carea ocr_line ocrx_word ocrp_poly ocrp_dir"


def write(page: Page, creator: str) -> str:
    """Return a page as hOCR, in XHTML that HTML parsers read, too.

    Args:
        page: Results for an image.
        creator: Name and version of the program, for `ocr-system`.
    """
    root = Element("html", {"xmlns": "http://www.w3.org/1999/xhtml"})
    head = SubElement(root, "head")
    name = clean(PurePath(page.source).name)
    SubElement(head, "title").text = name
    SubElement(head, "meta", {"charset": "utf-8"})
    metadata = {"system": creator, "capabilities": CAPABILITIES, "number-of-pages": "1"}
    for key, content in metadata.items():
        SubElement(head, "meta", name=f"ocr-{key}", content=clean(content))
    # A quotation mark would end the file name in the property, and hOCR has no escape for it.
    image = name.replace('"', "%22")
    place = f"; ppageno {page.number - 1}" if page.number else ""
    title = (
        f'image "{image}"; bbox 0 0 {page.width} {page.height}{place}; x_exif_orientation {EXIF_ORIENTATION}'
    )
    top = SubElement(SubElement(root, "body"), "div", {"class": "ocr_page", "id": "page_1", "title": title})
    if page.right_to_left:
        top.set("dir", "rtl")
    for number, block in enumerate(page.blocks, start=1):
        _area(top, number, block, page)
    return serialize(root, "<!DOCTYPE html>")


class HocrWriter(Writer):
    """The format `hocr`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page, PRODUCER)


def _area(top: Element, number: int, block: Sequence[Sequence[Word]], page: Page) -> None:
    area = _element(top, "div", "ocr_carea", f"block_1_{number}")
    area.set("title", _bbox(outline(word, page) for line in block for word in line))
    for place, words in enumerate(block, start=1):
        name = f"{number}_{place}"
        line = _element(area, "span", "ocr_line", f"line_1_{name}")
        line.set("title", _bbox(outline(word, page) for word in words))
        for index, word in enumerate(words, start=1):
            _word(line, f"word_1_{name}_{index}", word, page)


def _word(line: Element, name: str, word: Word, page: Page) -> None:
    points = outline(word, page)
    element = _element(line, "span", "ocrx_word", name)
    title = f"{_bbox([points])}; poly {' '.join(map(str, points.ravel().tolist()))}"
    if word.reading:
        # The specification wants percent.
        title += f"; x_wconf {round(100 * word.confidence)}"
    element.set("title", title)
    element.text = clean(word.text)


def _element(parent: Element, tag: str, kind: str, name: str) -> Element:
    return SubElement(parent, tag, {"class": kind, "id": name})


def _bbox(outlines: Iterable[Outline]) -> str:
    return "bbox {} {} {} {}".format(*box(hull(outlines)))

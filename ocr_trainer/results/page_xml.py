"""Writer of PAGE XML, schema 2019-07-15: a TextRegion per block, with its TextLines, and a Word per text.

S. Pletschacher, A. Antonacopoulos: The PAGE (Page Analysis and Ground-truth Elements) format framework,
ICPR 2010; the schema is at primaresearch.org. With a line detector, each Word holds a whole line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from ocr_trainer.data.types import Image
from ocr_trainer.results.markup import clean, joined, serialize, unit
from ocr_trainer.results.outline import Outline, hull, outline
from ocr_trainer.results.page import Page, Text
from ocr_trainer.results.writer import PRODUCER, Writer

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def write(page: Page, creator: str, created: datetime) -> str:
    """Return a page as PAGE XML.

    Args:
        page: Results for an image.
        creator: Name and version of the program.
        created: Time of creation, in UTC.
    """
    root = Element("PcGts", {"xmlns": NAMESPACE})
    _head(root, creator, created)
    top = SubElement(
        root,
        "Page",
        {
            "imageFilename": clean(PurePath(page.source).name),
            "imageWidth": str(page.width),
            "imageHeight": str(page.height),
        },
    )
    if page.right_to_left:
        top.set("readingDirection", "right-to-left")
    if page.blocks:  # the schema forbids an empty OrderedGroup
        order = SubElement(SubElement(top, "ReadingOrder"), "OrderedGroup", id="order")
        for index in range(len(page.blocks)):
            SubElement(order, "RegionRefIndexed", index=str(index), regionRef=f"r{index + 1}")
    for number, block in enumerate(page.blocks, start=1):
        _region(top, f"r{number}", block, page)
    return serialize(root, '<?xml version="1.0" encoding="UTF-8"?>')


class PageXmlWriter(Writer):
    """The format `page`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page, PRODUCER, datetime.now(UTC))


def _head(root: Element, creator: str, created: datetime) -> None:
    head = SubElement(root, "Metadata")
    SubElement(head, "Creator").text = clean(creator)
    for name in ("Created", "LastChange"):
        SubElement(head, name).text = created.strftime("%Y-%m-%dT%H:%M:%SZ")


def _region(top: Element, name: str, block: Sequence[Sequence[Text]], page: Page) -> None:
    region = SubElement(top, "TextRegion", id=name)
    _coords(region, hull(outline(text, page) for line in block for text in line))
    for number, line in enumerate(block, start=1):
        _line(region, f"{name}_l{number}", line, page)
    _reading(region, "\n".join(joined(line) for line in block), [text for line in block for text in line])


def _line(region: Element, name: str, texts: Sequence[Text], page: Page) -> None:
    line = SubElement(region, "TextLine", id=name)
    _coords(line, hull(outline(text, page) for text in texts))
    for number, text in enumerate(texts, start=1):
        word = SubElement(line, "Word", id=f"{name}_w{number}")
        _coords(word, outline(text, page)).set("conf", unit(text.score))
        _reading(word, clean(text.words), [text])
    _reading(line, joined(texts), texts)


def _coords(parent: Element, points: Outline) -> Element:
    return SubElement(parent, "Coords", points=" ".join(f"{x},{y}" for x, y in points.tolist()))


def _reading(parent: Element, words: str, texts: Sequence[Text]) -> None:
    """Add the recognized text with the mean of the texts' scores; without a recognizer, add nothing."""
    scores = [text.reading.score for text in texts if text.reading]
    if scores:
        reading = SubElement(parent, "TextEquiv", conf=unit(float(np.mean(scores))))
        SubElement(reading, "Unicode").text = words

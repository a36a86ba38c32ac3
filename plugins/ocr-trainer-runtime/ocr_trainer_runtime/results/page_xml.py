"""Writer of PAGE XML, schema 2019-07-15: a TextRegion per block, with its TextLines, and a Word per word.

S. Pletschacher, A. Antonacopoulos: The PAGE (Page Analysis and Ground-truth Elements) format framework,
ICPR 2010; the schema is at primaresearch.org. With a line detector, each Word holds a whole line.

The schema has no place for the frame of the coordinates. `custom` of the Page tells it, in the syntax of
Transkribus: they refer to the image with its EXIF orientation applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from ocr_trainer_runtime.results.markup import clean, joined, serialize, unit
from ocr_trainer_runtime.results.outline import Outline, hull, outline
from ocr_trainer_runtime.results.writer import EXIF_ORIENTATION, PRODUCER, Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word

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
            "custom": f"exifOrientation {{value:{EXIF_ORIENTATION};}}",
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


def _region(top: Element, name: str, block: Sequence[Sequence[Word]], page: Page) -> None:
    region = SubElement(top, "TextRegion", id=name)
    _coords(region, hull(outline(word, page) for line in block for word in line))
    for number, line in enumerate(block, start=1):
        _line(region, f"{name}_l{number}", line, page)
    _reading(region, "\n".join(joined(line) for line in block), [word for line in block for word in line])


def _line(region: Element, name: str, words: Sequence[Word], page: Page) -> None:
    line = SubElement(region, "TextLine", id=name)
    _coords(line, hull(outline(word, page) for word in words))
    for number, word in enumerate(words, start=1):
        element = SubElement(line, "Word", id=f"{name}_w{number}")
        _coords(element, outline(word, page)).set("conf", unit(word.score))
        _reading(element, clean(word.text), [word])
    _reading(line, joined(words), words)


def _coords(parent: Element, points: Outline) -> Element:
    return SubElement(parent, "Coords", points=" ".join(f"{x},{y}" for x, y in points.tolist()))


def _reading(parent: Element, text: str, words: Sequence[Word]) -> None:
    """Add the recognized text with the mean confidence of its words; without a recognizer, add nothing."""
    scores = [word.reading.confidence for word in words if word.reading]
    if scores:
        reading = SubElement(parent, "TextEquiv", conf=unit(float(np.mean(scores))))
        SubElement(reading, "Unicode").text = text

"""Writer of ALTO 4.4: a TextBlock per block, with its TextLines, and a String per text.

ALTO (Analyzed Layout and Word Object), schema 4.4 of 2023, is maintained by the Library of Congress at
loc.gov/standards/alto. With a line detector, each String holds a whole line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from ocr_trainer_runtime.results.markup import clean, serialize, unit
from ocr_trainer_runtime.results.outline import Outline, box, hull, outline
from ocr_trainer_runtime.results.writer import EXIF_ORIENTATION, PRODUCER, Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
VERSION = "4.4"


def write(page: Page, creator: str, created: datetime) -> str:
    """Return a page as ALTO; coordinates are in pixels of the image with its EXIF orientation applied.

    `GC` is the recognizer's confidence of a character and `WC` that of a text, the mean of its characters',
    both 0 to 1. ALTO has no place for the detector's confidence.

    Args:
        page: Results for an image.
        creator: Name and version of the program.
        created: Time of creation, in UTC.
    """
    root = Element("alto", {"xmlns": NAMESPACE, "SCHEMAVERSION": VERSION})
    _description(root, page, creator, created)
    if page.blocks:  # the schema forbids an empty OrderedGroup
        order = SubElement(SubElement(root, "ReadingOrder"), "OrderedGroup", ID="order")
        for number in range(1, len(page.blocks) + 1):
            SubElement(order, "ElementRef", ID=f"order_{number}", REF=f"block_{number}")
    size = {"WIDTH": str(page.width), "HEIGHT": str(page.height)}
    layout = SubElement(root, "Layout")
    top = SubElement(layout, "Page", {"ID": "page", "PHYSICAL_IMG_NR": str(page.number or 1), **size})
    space = SubElement(top, "PrintSpace", {"HPOS": "0", "VPOS": "0", **size})
    for number, block in enumerate(page.blocks, start=1):
        _block(space, f"block_{number}", block, page)
    return serialize(root, '<?xml version="1.0" encoding="UTF-8"?>')


class AltoWriter(Writer):
    """The format `alto`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page, PRODUCER, datetime.now(UTC))


def _description(root: Element, page: Page, creator: str, created: datetime) -> None:
    description = SubElement(root, "Description")
    SubElement(description, "MeasurementUnit").text = "pixel"
    source = SubElement(description, "sourceImageInformation")
    SubElement(source, "fileName").text = clean(PurePath(page.source).name)
    processing = SubElement(description, "Processing", ID="ocr")
    SubElement(processing, "processingCategory").text = "contentGeneration"
    SubElement(processing, "processingDateTime").text = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    SubElement(processing, "processingStepSettings").text = f"exif_orientation={EXIF_ORIENTATION}"
    software = SubElement(processing, "processingSoftware")
    name, _, version = clean(creator).partition(" ")
    SubElement(software, "softwareName").text = name
    SubElement(software, "softwareVersion").text = version


def _block(space: Element, name: str, lines: Sequence[Sequence[Word]], page: Page) -> None:
    points = hull(outline(text, page) for line in lines for text in line)
    block = _element(space, "TextBlock", name, points)
    if page.right_to_left:
        block.set("BASEDIRECTION", "rtl")
    for number, texts in enumerate(lines, start=1):
        _line(block, f"{name}_line_{number}", texts, page)


def _line(block: Element, name: str, texts: Sequence[Word], page: Page) -> None:
    line = _element(block, "TextLine", name, hull(outline(text, page) for text in texts))
    for number, text in enumerate(texts, start=1):
        if number > 1:
            SubElement(line, "SP")
        string = _element(line, "String", f"{name}_string_{number}", outline(text, page))
        string.set("CONTENT", clean(text.text))  # the schema requires it, even without a recognizer
        if text.reading:
            string.set("WC", unit(text.confidence))
            for character, score in zip(string.attrib["CONTENT"], text.reading.scores, strict=True):
                SubElement(string, "Glyph", CONTENT=character, GC=unit(float(score)))


def _element(parent: Element, tag: str, name: str, points: Outline) -> Element:
    """Add an element with its bounding box and its polygon."""
    left, top, right, bottom = map(int, box(points))
    sides = {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}
    element = SubElement(parent, tag, {"ID": name, **{key: str(side) for key, side in sides.items()}})
    polygon = " ".join(f"{x},{y}" for x, y in points.tolist())
    SubElement(SubElement(element, "Shape"), "Polygon", POINTS=polygon)
    return element

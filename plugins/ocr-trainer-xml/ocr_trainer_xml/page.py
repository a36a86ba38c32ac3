"""`PageXml`: PAGE XML, all versions from 2010 to 2019.

S. Pletschacher, A. Antonacopoulos: The PAGE (Page Analysis and Ground-truth Elements) format framework,
ICPR 2010; schemas of primaresearch.org.
"""

from __future__ import annotations

from typing import ClassVar

from ocr_trainer.formats.annotations import Points
from ocr_trainer.formats.xml_files import Element
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_xml.dataset import XmlDataset, usual_folders
from ocr_trainer_xml.document import number, to_frame, to_points
from ocr_trainer_xml.plugin import Level


class PageXml(XmlDataset):
    """Elements with `Coords` and `TextEquiv`."""

    root_element = "PcGts"
    head = "Page"
    size = ("imageHeight", "imageWidth")
    tags: ClassVar = {Level.region: "TextRegion", Level.line: "TextLine", Level.word: "Word"}
    usual = usual_folders("page")

    def image_name(self, elements: list[Element]) -> str:
        """Return the image path that a file states, or an empty string."""
        return elements[-1].attributes.get("imageFilename", "")

    def frame(self, elements: list[Element]) -> ExifOrientation:
        """Return what a file says of the frame of its coordinates, as our writer does; `auto` if nothing."""
        custom = next((one.attributes.get("custom", "") for one in elements if one.tag == "Page"), "")
        return to_frame(custom, r"\bexifOrientation\s*\{\s*value\s*:\s*(\w+)")

    def baseline(self, element: Element) -> Points:
        """Return the baseline of a line in the file's units; empty if it has none."""
        return self._points(element.first("Baseline"))

    def outline(self, element: Element) -> Points:
        """Return the outline of an element in the file's units; empty if it has none.

        Raises:
            ValueError: The coordinates are not valid points.
        """
        return self._points(element.first("Coords"))

    @staticmethod
    def _points(coords: Element | None) -> Points:
        if coords is None:
            return []
        # Before 2013, each point was an element.
        old = [point.attributes for point in coords.all("Point")]
        return [(number(a.get("x", "")), number(a.get("y", ""))) for a in old] or to_points(
            coords.attributes.get("points", "")
        )

    def text(self, element: Element) -> str:
        """Return the transcription with the lowest index, or else those of its words or lines."""
        recognitions = sorted(element.all("TextEquiv"), key=_index)  # stable: the first among equals
        if recognitions:
            unicode = recognitions[0].first("Unicode")
            return unicode.text if unicode else ""
        words, lines = (map(self.text, element.all(tag)) for tag in ("Word", "TextLine"))
        return " ".join(words) or "\n".join(lines)


def _index(transcription: Element) -> float:
    """Return the index of a transcription; the lowest is the main one, and a missing one is 0."""
    try:
        return number(transcription.attributes.get("index", "0"))
    except ValueError:
        return 0.0

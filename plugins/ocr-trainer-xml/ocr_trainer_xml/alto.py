"""`AltoXml`: ALTO (Analyzed Layout and Text Object), versions 1 to 4; schemas of the Library of Congress."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Points
from ocr_trainer.formats.xml_files import Element
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_xml.dataset import XmlDataset, usual_folders
from ocr_trainer_xml.document import number, to_frame, to_points
from ocr_trainer_xml.plugin import AltoXmlConfig, Level, Unit
from ocr_trainer_xml.scale import Scale, scale_of


class AltoXml(XmlDataset):
    """Elements with `Shape` or, without a polygon, the box of `HPOS`, `VPOS`, `WIDTH` and `HEIGHT`."""

    root_element = "alto"
    head = "Layout"
    size = ("HEIGHT", "WIDTH")
    tags: ClassVar = {Level.region: "TextBlock", Level.line: "TextLine", Level.word: "String"}
    usual = usual_folders("alto")

    _config: AltoXmlConfig

    def image_name(self, elements: list[Element]) -> str:
        """Return the image path that a file states, or an empty string."""
        return _described(elements, "fileName")

    def frame(self, elements: list[Element]) -> ExifOrientation:
        """Return what a file says of the frame of its coordinates, as our writer does; `auto` if nothing."""
        settings = (element.text for element in elements if element.tag == "processingStepSettings")
        return to_frame("\n".join(settings), r"\bexif_orientation=(\w+)")

    def scale(self, elements: list[Element], page: Element, annotation: Path, image: Path | None) -> Scale:
        """Return the pixels per unit of the coordinates; see `scale_of`.

        Raises:
            DataError: The unit is unknown, or needs a resolution that is not given, or is contradicted.
        """
        named = _described(elements, "MeasurementUnit").strip()
        units = [unit.value for unit in Unit]
        if named and named not in units:
            raise DataError(
                f"'{annotation}' measures in '{named[:20]}', which is not a unit of ALTO: {', '.join(units)}"
            )
        unit = Unit(named) if named else self._config.unit
        return scale_of(self._sides(page, annotation), unit, self._config.dpi, image, annotation)

    def outline(self, element: Element) -> Points:
        """Return the polygon of an element, or else its box; empty if it has neither.

        Raises:
            ValueError: The coordinates are not valid points.
        """
        shape = element.first("Shape")
        polygon = shape.first("Polygon") if shape else None
        if polygon and (points := to_points(polygon.attributes.get("POINTS", ""))):
            return points
        corners, sides = self.box(element), self._box(element)
        if sides and not corners:
            raise ValueError(f"its box is {sides[2]:g} wide and {sides[3]:g} high")
        return corners

    def box(self, element: Element) -> Points:
        """Return the box of an element; empty if it has none."""
        found = self._box(element)
        if found is None or not (found[2] > 0 and found[3] > 0):
            return []
        x, y, width, height = found
        return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]

    @staticmethod
    def _box(element: Element) -> tuple[float, float, float, float] | None:
        sides = [element.attributes.get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
        if None in sides:
            return None
        x, y, width, height = (number(side or "") for side in sides)
        return x, y, width, height

    def baseline(self, element: Element) -> Points:
        """Return the baseline of a line, or where an element begins; empty if it has neither."""
        line = element.attributes.get("BASELINE", "")
        if len(line.split()) > 1 or "," in line:  # a single number was its height, before version 4.1
            return to_points(line)
        start = [element.attributes.get(name) for name in ("HPOS", "VPOS")]
        if None in start:
            return []
        x, y = (number(side or "") for side in start)
        width, height = (
            max(0.0, number(element.attributes.get(name) or "0")) for name in ("WIDTH", "HEIGHT")
        )
        return [(x, y), (x + width, y + height)]

    def text(self, element: Element) -> str:
        """Return the text of a word, or of the words of a line or of a block, one row per line.

        Words are joined by a blank, with or without an `SP` between them; a `HYP` is appended to its word.
        """
        if element.tag == "TextBlock":
            return "\n".join(map(self.text, element.all("TextLine")))
        if element.tag == "String":
            return element.attributes.get("CONTENT", "")
        words: list[str] = []
        for part in element.children:
            content = part.attributes.get("CONTENT", "")
            if part.tag == "HYP" and words:
                words[-1] += content
            elif part.tag in ("String", "HYP"):
                words.append(content)
        return " ".join(filter(None, words))


def _described(elements: list[Element], tag: str) -> str:
    """Return the text of the first such element; in ALTO, the description comes before the layout."""
    return next((element.text for element in elements if element.tag == tag), "")

"""Annotation files with one label per row: coordinates, then a text up to the end of the row.

Not CSV: commas and quotes are part of the text.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import ClassVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import MAX_BAD_ROWS, Labels, Points, mark_reason, read_rows
from ocr_trainer.formats.paired import PairedDataset
from ocr_trainer.formats.places import Place
from ocr_trainer.plugin import DataReport

NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)\s*", re.ASCII)
"""A coordinate where it must be distinguished from text. `1e5` and `nan` are words."""

LEADING = re.compile(r"\s*[,;\t]\s*|\s+")
"""What separates coordinates, in any format."""

TEXT_SUFFIXES = (".txt", ".csv", ".gt")
"""Suffixes of annotation files that consist of rows."""

SAMPLED_ROWS = 20
"""Number of first rows by which a file without an image is recognized."""

Row = tuple[Points, str]
"""Outline and text of a label."""


class RowDataset(PairedDataset):
    """One file of rows per image. A format implements `parse` and the marks of "don't care"."""

    dont_care: ClassVar[frozenset[str]] = frozenset({"###"})
    """Texts that mark a label as "don't care"; they are not kept."""

    corners: ClassVar[int] = 8
    """How many numbers at the start of a row are coordinates of corners, x before y, at most."""

    @abstractmethod
    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row.

        Raises:
            ValueError: If the row has another form; the message is the reason.
        """

    def is_ignored(self, text: str) -> bool:
        """Return whether a text marks its label as "don't care"."""
        return text in self.dont_care

    def is_annotation(self, path: Path) -> bool:
        """Return whether one of the first rows of a text file has this format, or the file has none."""
        if path.suffix.lower() not in TEXT_SUFFIXES:
            return True
        with suppress(DataError):
            rows = list(islice(read_rows(path, DataReport()), SAMPLED_ROWS))
            return not rows or any(self._parses(row) for _, row in rows)
        return True

    def _parses(self, row: str) -> bool:
        try:
            self.parse(row)
        except ValueError:
            return False
        return True

    def dont_care_reason(self, text: str) -> str:
        """Return why a label with a text that `is_ignored` is "don't care"."""
        return mark_reason(text)

    def rows(self, annotation: Path) -> Iterator[tuple[int, str]]:
        """Yield the line number, from 1, and the text of each label."""
        return read_rows(annotation, self._data_report)

    def read(self, annotation: Path) -> Labels:
        """Read one annotation file. Rows that cannot be used are recorded in the data report.

        Of a row that cannot be parsed, the rectangle around its coordinates is kept as "don't care".

        Raises:
            DataError: If the file cannot be read or does not look like this format.
        """
        labels = Labels()
        for count, (line, row) in enumerate(self.rows(annotation), start=1):
            try:
                points, text = self.parse(row)
            except ValueError as error:
                if count > MAX_BAD_ROWS and not labels.polygons:
                    raise DataError(
                        f"'{annotation}': none of {MAX_BAD_ROWS:,} rows can be used: {error}"
                    ) from None
                place = Place(remains(row, self.corners), error=str(error))
                labels.add(place, "", False, self._data_report, annotation, line)
                continue
            self.add(labels, points, text, annotation, line)
        return labels

    def add(
        self,
        labels: Labels,
        outline: Points | Place,
        text: str,
        file: Path,
        line: int | None,
        where: str = "",
    ) -> None:
        """Add a label; it is "don't care" if its text says so. `where` prefixes the reason."""
        reason = self.dont_care_reason(text) if self.is_ignored(text) else ""
        labels.add(outline, "" if reason else text, reason, self._data_report, file, line, where)


def remains(row: str, limit: int) -> Points:
    """Return the points that a row begins with, however its numbers are separated; none if fewer than two.

    Args:
        row: A row that cannot be parsed.
        limit: How many numbers are coordinates, at most.
    """
    numbers = []
    for field in LEADING.split(row.strip(), limit)[:limit]:
        if not NUMBER.fullmatch(field):
            break
        numbers.append(float(field))
    points = list(zip(numbers[::2], numbers[1::2], strict=False))
    return points if len(points) > 1 else ()


def parse_corners(row: str) -> Row:
    """Parse `x1,y1,x2,y2,x3,y3,x4,y4,TEXT`. Without a comma after the last number, the text is empty.

    Raises:
        ValueError: If the row does not start with eight numbers.
    """
    *fields, text = [*row.split(",", 8), ""][:9]
    if len(fields) < 8:
        raise ValueError(f"not x1,y1,x2,y2,x3,y3,x4,y4,TEXT: {excerpt(row)}")
    return parse_points(fields), text.strip()


def parse_polygon(row: str) -> Row:
    """Parse `x1,y1,…,xn,yn,TEXT` with any number of points.

    The text starts after the last comma, so a text that is a number is not a coordinate. If a word comes
    before it, the text starts at the first field that is not a number, or one field earlier if the number of
    coordinates would be odd (`…,Breakfast,Lunch`, `…,1,000 won`). A row of an even number of numbers is an
    outline without text.

    Raises:
        ValueError: If the row does not start with two numbers.
    """
    fields = row.split(",")
    leading = next((i for i, field in enumerate(fields) if not NUMBER.fullmatch(field)), len(fields))
    count = leading - leading % 2
    if not count:
        raise ValueError(f"not x1,y1,…,xn,yn,TEXT: {excerpt(row)}")
    return parse_points(fields[:count]), ",".join(fields[count:]).strip()


def parse_points(fields: Iterable[str]) -> Points:
    """Parse the fields `x1, y1, x2, y2, …`.

    Raises:
        ValueError: If a field is not a number, or their count is odd.
    """
    numbers = [parse_number(field) for field in fields]
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} coordinates do not form points")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of an upright box, clockwise from the top left."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rotated(x: float, y: float, width: float, height: float, angle: float) -> Points:
    """Return the corners of a box that is rotated about its center.

    Args:
        x: Left side before the rotation, in pixels.
        y: Top side before the rotation.
        width: Size along x before the rotation.
        height: Size along y before the rotation.
        angle: Rotation in radians, clockwise on the screen because y points down.
    """
    middle_x, middle_y = x + width / 2, y + height / 2
    cos, sin = math.cos(angle), math.sin(angle)
    return [
        (middle_x + cos * dx - sin * dy, middle_y + sin * dx + cos * dy)
        for dx, dy in box(-width / 2, -height / 2, width / 2, height / 2)
    ]


def excerpt(row: str) -> str:
    """Return the beginning of a row, for a message."""
    return repr(row.strip()[:60])


def parse_number(field: str) -> float:
    """Parse a field as a number.

    Raises:
        ValueError: If it is not one.
    """
    try:
        return float(field)
    except ValueError:
        raise ValueError(f"{field.strip()[:20]!r} is not a number") from None

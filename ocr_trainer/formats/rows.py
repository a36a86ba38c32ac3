"""Annotation files of rows, one label each: coordinates, and a text that runs to the end of the row.

Not CSV: commas and quotes in the text are part of it.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import HOPELESS, Labels, Points, read_rows
from ocr_trainer.formats.paired import PairedDataset

NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)\s*", re.ASCII)
"""A coordinate where it has to be told from a text: `1e5` and `nan` are words."""

Row = tuple[Points, str]
"""The outline and the text of a label."""


class RowDataset(PairedDataset):
    """One file of rows per image; a format says how to parse a row, and which texts are marks."""

    dont_care: ClassVar[frozenset[str]] = frozenset({"###"})
    """Texts that mark a label as "don't care"; they are not kept."""

    @abstractmethod
    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row.

        Raises:
            ValueError: If it is no such row; says why.
        """

    def is_ignored(self, text: str) -> bool:
        """Tell by its text whether a label is "don't care"."""
        return text in self.dont_care

    def rows(self, annotation: Path) -> Iterator[tuple[int, str]]:
        """Yield line number, from 1, and text of each label."""
        return read_rows(annotation, self._data_report)

    def read(self, annotation: Path) -> Labels:
        """Read one annotation file; a row that cannot be used goes into the ledger.

        Raises:
            DataError: If the file cannot be read, or seems to be of another kind.
        """
        labels = Labels()
        for count, (line, row) in enumerate(self.rows(annotation), start=1):
            try:
                points, text = self.parse(row)
            except ValueError as fault:
                if count > HOPELESS and not labels.polygons:
                    raise DataError(
                        f"'{annotation}': none of {HOPELESS:,} rows can be used: {fault}"
                    ) from None
                self._data_report.read(labels=1)
                self._data_report.skip_label(annotation, line, str(fault))
                continue
            self.add(labels, points, text, annotation, line)
        return labels

    def add(
        self, labels: Labels, points: Points, text: str, file: Path, line: int | None, where: str = ""
    ) -> None:
        """Take a label in, "don't care" if its text says so; `where` tells what has no line."""
        ignored = self.is_ignored(text)
        labels.add(points, "" if ignored else text, ignored, self._data_report, file, line, where)


def parse_corners(row: str) -> Row:
    """Parse `x1,y1,x2,y2,x3,y3,x4,y4,TEXT`; without a comma after the last number the text is empty.

    Raises:
        ValueError: If it does not start with eight numbers.
    """
    *fields, text = [*row.split(",", 8), ""][:9]
    if len(fields) < 8:
        raise ValueError(f"not x1,y1,x2,y2,x3,y3,x4,y4,TEXT: {excerpt(row)}")
    return points_of(fields), text.strip()


def parse_polygon(row: str) -> Row:
    """Parse `x1,y1,…,xn,yn,TEXT` of any number of points.

    The text starts after the last comma, so that one that is a number is no coordinate, unless there is a
    word before it: then it starts with the first field that is no number, or one field earlier if the
    coordinates would be odd in number (`…,Breakfast,Lunch`, `…,1,000 won`). An even number of numbers and
    nothing else is an outline without text.

    Raises:
        ValueError: If it does not start with two numbers.
    """
    fields = row.split(",")
    leading = next((i for i, field in enumerate(fields) if not NUMBER.fullmatch(field)), len(fields))
    count = leading - leading % 2
    if not count:
        raise ValueError(f"not x1,y1,…,xn,yn,TEXT: {excerpt(row)}")
    return points_of(fields[:count]), ",".join(fields[count:]).strip()


def points_of(fields: Iterable[str]) -> Points:
    """Return the points of `x1, y1, x2, y2, …`.

    Raises:
        ValueError: If one is no number, or they are odd in number.
    """
    numbers = [number_of(field) for field in fields]
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} coordinates make no points")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of an upright box, clockwise from the top left."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def excerpt(row: str) -> str:
    """Return the beginning of a row, for a message."""
    return repr(row.strip()[:60])


def number_of(field: str) -> float:
    """Return the number of a field.

    Raises:
        ValueError: If it is none.
    """
    try:
        return float(field)
    except ValueError:
        raise ValueError(f"{field.strip()[:20]!r} is not a number") from None

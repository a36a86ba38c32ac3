"""Reading labels: what every dataset of annotated images needs, whatever its format.

No label leaves in silence: what cannot be used is entered in the `DataReport` with file and line.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport

Points = Sequence[tuple[float, float]]

COORDINATE_LIMIT = 1e6
"""Pixels; a coordinate beyond is a slip of the pen, and would not survive float32."""

LEAST_AREA = 0.01
"""Square pixels; what covers less is a point or a line."""

POINT_LIMIT = 4096
"""Points of an outline; the longest that tools draw have some hundreds."""

ROW_LIMIT = 1 << 20
"""Bytes of a row; what is longer is no row of a text, and would take a hundred times as much to parse."""

HOPELESS = 10_000
"""Rows; a file of which none of so many can be used is of another kind."""

FEW = 16
"""Points; the sides of so few are compared in less time than an array is made."""


@dataclass(slots=True)
class Labels:
    """The labels of one image."""

    polygons: list[Polygon] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    ignore: list[bool] = field(default_factory=list)
    size: tuple[int, int] | None = None
    """Height and width of the image the labels were made on, where the format tells."""

    def add(
        self,
        points: Points,
        text: str,
        ignore: bool,
        data_report: DataReport,
        file: Path,
        line: int | None,
        where: str = "",
    ) -> None:
        """Take a label in, or enter in the ledger why not; `where` goes before the reason.

        An outline whose last point is its first is opened. One that crosses itself shows where text is,
        but not its shape: its convex hull is kept as "don't care", so that it is not learned as
        background, and the ledger tells.
        """
        data_report.read(labels=1)
        if len(points) > 1 and tuple(points[0]) == tuple(points[-1]):
            points = points[:-1]
        if fault := polygon_fault(points):
            data_report.skip_label(file, line, f"{where}{fault}")
            return
        if crosses_itself(points):
            data_report.skip_label(file, line, f"{where}the outline crosses itself: kept as don't care")
            points, ignore = _hull(points), True
        elif abs(_signed_area(points)) < LEAST_AREA:
            data_report.skip_label(file, line, f"{where}the outline has no area")
            return
        self.polygons.append(np.array(points, dtype=np.float32))
        self.texts.append(text)
        self.ignore.append(ignore)


def read_rows(path: Path, data_report: DataReport) -> Iterator[tuple[int, str]]:
    """Yield line number, from 1, and text of each row of a file; see `rows_of`.

    Raises:
        DataError: If the file cannot be read or is UTF-16.
    """
    return rows_of(read_bytes(path), path, data_report)


def rows_of(data: bytes, file: Path | str, data_report: DataReport) -> Iterator[tuple[int, str]]:
    """Yield line number, from 1, and text of each row that is not blank.

    Rows end in LF, CRLF or CR. One that is not UTF-8 or beyond `ROW_LIMIT` goes into the ledger as a label.
    """
    for number, row in enumerate(data.splitlines(), start=1):  # bytes know CR and LF, no other line ends
        if len(row) > ROW_LIMIT:
            data_report.read(labels=1)
            data_report.skip_label(file, number, f"a row of {len(row):,} bytes is none of a label")
            continue
        try:
            text = row.decode("utf-8")
        except UnicodeDecodeError as fault:
            data_report.read(labels=1)
            data_report.skip_label(file, number, f"not UTF-8: byte 0x{row[fault.start]:02x}")
            continue
        if text.strip():
            yield number, text


def read_bytes(path: Path) -> bytes:
    """Return the content of a UTF-8 file without its byte-order mark.

    Raises:
        DataError: If the file cannot be read or is UTF-16.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as fault:
        raise DataError(f"cannot read '{path}': {getattr(fault, 'strerror', None) or fault}") from fault
    return without_mark(data, path)


def without_mark(data: bytes, file: Path | str) -> bytes:
    """Return UTF-8 without its byte-order mark.

    Raises:
        DataError: If the mark is that of UTF-16.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"'{file}' is UTF-16 text; save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def polygon_fault(points: Points) -> str | None:
    """Return why points make no polygon in any image, or None."""
    if len(points) < 3:
        return "1 point is no polygon" if len(points) == 1 else f"{len(points)} points are no polygon"
    if len(points) > POINT_LIMIT:
        return f"{len(points):,} points are more than an outline has"
    for value in (value for point in points for value in point):
        if not math.isfinite(value):
            return f"the coordinate {value} is not a finite number"
        if abs(value) > COORDINATE_LIMIT:
            return f"the coordinate {value:g} is not in any image"
    if max(x for x, _ in points) <= 0 or max(y for _, y in points) <= 0:
        return "it lies outside the image, left of or above it"
    return None


def crosses_itself(points: Points) -> bool:
    """Tell whether two sides cross in a point inside both; touching is no crossing."""
    if len(points) > FEW:
        return _many_cross(np.array(points, dtype=np.float64))
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    last = len(sides) - 1
    return any(
        _apart(*sides[i], *sides[j]) and _apart(*sides[j], *sides[i])
        for i in range(last - 1)
        for j in range(i + 2, last + (i > 0))  # neighbors share a point, so they cannot cross
    )


_Point = tuple[float, float]


def _apart(a: _Point, b: _Point, c: _Point, d: _Point) -> bool:
    """Tell whether c and d lie on different sides of the line through a and b."""
    x, y = b[0] - a[0], b[1] - a[1]
    return (x * (c[1] - a[1]) - y * (c[0] - a[0])) * (x * (d[1] - a[1]) - y * (d[0] - a[0])) < 0


def _many_cross(a: np.ndarray, block: int = 1 << 18) -> bool:
    """Do what `crosses_itself` does for an outline of many points, (points, 2), in little memory."""
    b = np.roll(a, -1, axis=0)

    def side(line: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Tell by its sign on which side of a line through two of the points another one lies."""
        along, to = (b - a)[line], points - a[line]
        return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]

    rows = max(1, block // len(a))
    for start in range(0, len(a), rows):
        lines = np.arange(start, min(start + rows, len(a)))
        of_points = side(lines[:, None], a)
        first, second = np.nonzero(of_points * np.roll(of_points, -1, axis=1) < 0)
        first = lines[first]
        if (side(second, a[first]) * side(second, b[first]) < 0).any():
            return True
    return False


def _signed_area(points: Points) -> float:
    x0, y0 = points[0]  # as the origin, for precision
    following = [*points[1:], points[0]]
    return 0.5 * sum(
        (x - x0) * (v - y0) - (u - x0) * (y - y0) for (x, y), (u, v) in zip(points, following, strict=True)
    )


def _hull(points: Points) -> Points:
    """Return the convex hull of points that do not lie on one line."""
    from shapely import MultiPoint  # costs 150 ms, is seldom needed

    return [(x, y) for x, y in MultiPoint(points).convex_hull.exterior.coords[:-1]]

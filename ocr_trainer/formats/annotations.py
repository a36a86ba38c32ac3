"""Labels of an image and the checks that every annotation format needs.

No label is dropped silently: a label that cannot be used is recorded in the `DataReport` with file and line.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.errors import DataError
from ocr_trainer.formats.places import COORDINATE_LIMIT as COORDINATE_LIMIT
from ocr_trainer.formats.places import Place, substitute
from ocr_trainer.formats.places import Points as Points
from ocr_trainer.plugin import DataReport
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_runtime.geometry import MIN_AREA

POINT_LIMIT = 4096
"""Points of an outline. The longest outlines that tools draw have a few hundred."""

ROW_LIMIT = 1 << 20
"""In bytes. A longer row is not a label, and parsing it would take a hundred times as much memory."""

MAX_BAD_ROWS = 10_000
"""If none of this many rows can be used, the file is of another format and reading stops."""

NO_TRANSCRIPTION = "no transcription"
CROSSING = "the outline crosses itself"
CROSSING_CURVE = "an outline of more than four points crosses itself"
UNUSABLE = "the outline cannot be used"
MARKED = "marked as don't care"
"""Reasons why a label is "don't care"."""

SMALL_OUTLINE = 16
"""Points. Up to this size, comparing all pairs of sides in Python is faster than creating an array."""


@dataclass(slots=True)
class Labels:
    """The labels of one image: one entry per region in each list."""

    polygons: list[Polygon] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    ignore: list[bool] = field(default_factory=list)
    size: tuple[int, int] | None = None
    """Height and width of the image at annotation time, if the format records them."""
    exif: ExifOrientation = ExifOrientation.auto
    """What the outlines refer to, of a photograph with an EXIF orientation; `auto` if nothing says it."""
    reasons: list[str] = field(default_factory=list)
    """Why a label is "don't care"; empty for one that counts."""

    def add(
        self,
        outline: Points | Place,
        text: str,
        ignore: bool | str,
        data_report: DataReport,
        file: Path,
        line: int | None,
        where: str = "",
    ) -> None:
        """Add a label, or record in the data report why it cannot be used.

        A closed outline is opened by dropping its last point. An outline that crosses itself shows where text
        is but not its shape, so its convex hull is kept as "don't care" and is not learned as background; the
        data report says so. If it has four corners, they are most likely in another order than around the
        outline: the data report counts them, and `order_corners` of the report puts them in order.

        In place of another outline that cannot be used, the label's box is used if there is one, or else a
        rectangle around its points is kept as "don't care".

        Args:
            outline: Corners (x, y) in pixels, with the label's box if the format has both.
            text: Transcription, empty if unknown.
            ignore: Whether the region is "don't care", or why it is.
            data_report: Receives the counts and the reasons.
            file: Annotation file, for the report.
            line: Line in the file from 1, if known.
            where: Prefix of the reason, such as "word 3: ".
        """
        data_report.read(labels=1)
        place = outline if isinstance(outline, Place) else Place(outline)
        points = place.points
        if len(points) > 1 and tuple(points[0]) == tuple(points[-1]):
            points = points[:-1]
        if error := place.error or outline_error(points):
            usable = substitute(points, place.box, outline_error)
            if usable is None:
                data_report.skip_label(file, line, f"{where}{error}")
                return
            report = data_report.skip_label if usable.ignore else data_report.remark
            report(file, line, f"{where}{error}: {usable.remark}")
            points, ignore = usable.points, UNUSABLE if usable.ignore else ignore
        elif is_self_intersecting(points):
            data_report.crossed_corners += len(points) == 4
            if len(points) == 4 and data_report.order_corners:
                points = order_corners(points)
            else:
                data_report.skip_label(file, line, f"{where}{CROSSING}: kept as don't care")
                ignore = CROSSING if len(points) == 4 else CROSSING_CURVE
                points = _convex_hull(points)
        self.polygons.append(np.array(points, dtype=np.float32))
        self.texts.append(text)
        self.ignore.append(bool(ignore))
        self.reasons.append(ignore if isinstance(ignore, str) else MARKED * ignore)


def mark_reason(text: str) -> str:
    """Return why a label with a text that marks "don't care" is left out."""
    return f"the text {text[:20]} means don't care"


def declared(labels: Labels, option: ExifOrientation, usual: ExifOrientation) -> ExifOrientation:
    """Return what outlines refer to: what the file says, or else the option, or else the format."""
    frames = (labels.exif, option, usual)
    if not labels.polygons:  # nothing can lie beside the text
        return ExifOrientation.ignored
    return next((frame for frame in frames if frame is not ExifOrientation.auto), ExifOrientation.auto)


def read_rows(path: Path, data_report: DataReport) -> Iterator[tuple[int, str]]:
    """Yield the line number, from 1, and the text of each row of a file; see `split_rows`.

    Raises:
        DataError: If the file cannot be read or is UTF-16.
    """
    return split_rows(read_bytes(path), path, data_report)


def split_rows(data: bytes, file: Path | str, data_report: DataReport) -> Iterator[tuple[int, str]]:
    """Yield the line number, from 1, and the text of each row that is not blank.

    Rows end in LF, CRLF or CR. A row that is not UTF-8 or exceeds `ROW_LIMIT` is reported as a skipped label.
    """
    for number, row in enumerate(
        data.splitlines(), start=1
    ):  # bytes: str would also split at U+2028 and others
        if len(row) > ROW_LIMIT:
            data_report.read(labels=1)
            data_report.skip_label(file, number, f"a row of {len(row):,} bytes is longer than any label")
            continue
        try:
            text = row.decode("utf-8")
        except UnicodeDecodeError as error:
            data_report.read(labels=1)
            data_report.skip_label(file, number, f"not UTF-8: byte 0x{row[error.start]:02x}")
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
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{path}': {getattr(error, 'strerror', None) or error}") from error
    return strip_bom(data, path)


def strip_bom(data: bytes, file: Path | str) -> bytes:
    """Remove the UTF-8 byte-order mark.

    Raises:
        DataError: If the data starts with the mark of UTF-16.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"'{file}' is UTF-16 text; save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def outline_error(points: Points) -> str | None:
    """Return why points cannot be the outline of a text, or None. One that crosses itself can be one."""
    if error := polygon_error(points):
        return error
    if abs(_signed_area(points)) < MIN_AREA and not is_self_intersecting(points):
        return "the outline has no area"
    return None


def polygon_error(points: Points) -> str | None:
    """Return why points cannot be a polygon in any image, or None."""
    if len(points) < 3:
        return "1 point is not a polygon" if len(points) == 1 else f"{len(points)} points are not a polygon"
    if len(points) > POINT_LIMIT:
        return f"{len(points):,} points are more than an outline can have"
    for value in (value for point in points for value in point):
        if not math.isfinite(value):
            return f"the coordinate {value} is not a finite number"
        if abs(value) > COORDINATE_LIMIT:
            return f"the coordinate {value:g} is not in any image"
    if max(x for x, _ in points) <= 0 or max(y for _, y in points) <= 0:
        return "it lies outside the image, to the left or above"
    return None


def is_self_intersecting(points: Points) -> bool:
    """Return whether two sides cross at a point inside both. Sides that only touch do not count."""
    if len(points) > SMALL_OUTLINE:
        return _is_self_intersecting_array(np.array(points, dtype=np.float64))
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    last = len(sides) - 1
    return any(
        _on_opposite_sides(*sides[i], *sides[j]) and _on_opposite_sides(*sides[j], *sides[i])
        for i in range(last - 1)
        for j in range(i + 2, last + (i > 0))  # neighbors share a point and cannot cross
    )


_Point = tuple[float, float]


def _on_opposite_sides(a: _Point, b: _Point, c: _Point, d: _Point) -> bool:
    """Return whether c and d lie on opposite sides of the line through a and b."""
    x, y = b[0] - a[0], b[1] - a[1]
    return (x * (c[1] - a[1]) - y * (c[0] - a[0])) * (x * (d[1] - a[1]) - y * (d[0] - a[0])) < 0


def _is_self_intersecting_array(a: np.ndarray, block: int = 1 << 18) -> bool:
    """`is_self_intersecting` for outlines with many points, in blocks that bound the memory.

    Args:
        a: float64 of shape (points, 2).
        block: Number of pairs of sides compared at once.
    """
    b = np.roll(a, -1, axis=0)

    def side(line: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return a value whose sign tells on which side of a line each point lies."""
        along, to = (b - a)[line], points - a[line]
        cross: np.ndarray = along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
        return cross

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
    x0, y0 = points[0]  # origin near the outline: far from 0, the products would cancel
    following = [*points[1:], points[0]]
    return 0.5 * sum(
        (x - x0) * (v - y0) - (u - x0) * (y - y0) for (x, y), (u, v) in zip(points, following, strict=True)
    )


def order_corners(corners: Points) -> Points:
    """Return four corners whose sides cross in clockwise order from the first; no point lies inside."""
    x, y = (sum(values) / 4 for values in zip(*corners, strict=True))
    ordered = sorted(corners, key=lambda corner: math.atan2(corner[1] - y, corner[0] - x))
    first = ordered.index(corners[0])
    return ordered[first:] + ordered[:first]


def _convex_hull(points: Points) -> Points:
    """Return the convex hull of points that are not collinear."""
    from shapely import MultiPoint  # slow import (150 ms), rarely needed

    return [(x, y) for x, y in MultiPoint(points).convex_hull.exterior.coords[:-1]]

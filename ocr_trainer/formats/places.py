"""Where text is, if its outline cannot be used: its box, or a rectangle that is "don't care".

A label whose place is known but whose outline is broken must not be dropped: the detector would learn its
text as background.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

Points = Sequence[tuple[float, float]]

COORDINATE_LIMIT = 1e6
"""In pixels. A larger coordinate is a typing error and would lose precision in float32."""

SLIMNESS = 0.2
"""Height of a text of which only a line is known, as a part of its length."""
DESCENT = 0.3
"""How far a text reaches below its baseline, as a part of its height."""
SLIMMEST, THICKEST = 4.0, 64.0
"""Limits of that height, in pixels."""


class Place(NamedTuple):
    """An outline as a reader found it."""

    points: Points
    box: Points | None = None
    """Another outline of the same label, to use if the points cannot be."""
    error: str = ""
    """Why there are no points, if they could not be read."""


class Usable(NamedTuple):
    """What is used in place of an outline."""

    points: Points
    ignore: bool
    """Whether only the place is certain."""
    remark: str
    """What was used, for the report."""


def first_readable(*outlines: Callable[[], Points]) -> Place:
    """Return the place of a label from its outlines, the best first. Empty ones count as missing.

    Raises:
        ValueError: None of them can be read; the message is that of the first.
    """
    read: list[Points] = []
    error = ""
    for outline in outlines:
        try:
            points = outline()
        except ValueError as fault:
            error = error or (str(fault) if not read else "")
            continue
        if points:
            read.append(points)
        if len(read) == 2 or (read and error):
            break
    if not read:
        raise ValueError(error or "it has no outline")
    if error:  # the best one is broken
        return Place((), read[0], error)
    return Place(read[0], read[1] if len(read) > 1 else None)


def bounding_box(points: Points) -> Points:
    """Return the corners of the upright box around points, clockwise from the top left; empty for none."""
    if not points:
        return ()
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def with_text_above(baseline: Points) -> Points:
    """Return a baseline with points as far above and below it as the text on it may reach."""
    lengths = (math.dist(one, other) for one, other in pairwise(baseline))
    height = _height(sum(lengths))
    return [*baseline, *((x, y + shift) for x, y in baseline for shift in (-height, DESCENT * height))]


def _height(length: float) -> float:
    """Return the height that a text of some length may have."""
    return min(max(SLIMNESS * length, SLIMMEST), THICKEST)


def substitute(points: Points, box: Points | None, error_of: Callable[[Points], str | None]) -> Usable | None:
    """Return what to use in place of an outline that cannot be used; None if nobody knows its place.

    Args:
        points: The outline, or what is left of it.
        box: Another outline of the same label, if the format has one.
        error_of: Returns why points cannot be an outline, or None.
    """
    if box is not None and error_of(box) is None:
        return Usable(box, False, "its box is used")
    rectangle = _rectangle(points) or (_rectangle(box) if box is not None else None)
    return Usable(rectangle, True, "kept as don't care") if rectangle else None


def _rectangle(points: Points) -> Points | None:
    """Return the upright rectangle around the points, of a height that texts have; None if there are none."""
    inside = [(x, y) for x, y in points if _is_coordinate(x) and _is_coordinate(y)]
    if not inside:
        return None
    (left, top), _, (right, bottom), _ = bounding_box(inside)
    least = _height(max(right - left, bottom - top))
    across, down = (max(0.0, (least - side) / 2) for side in (right - left, bottom - top))
    left, right, top, bottom = left - across, right + across, top - down, bottom + down
    if right <= 0 or bottom <= 0:
        return None
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _is_coordinate(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= COORDINATE_LIMIT

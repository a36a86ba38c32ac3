"""Outlines as rows of predictions write them: corners, upright boxes and rotated boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocr_trainer.formats.annotations import Points
from ocr_trainer.formats.rows import box, rotated

FULL_TURN = 2 * math.pi


@dataclass(frozen=True)
class Shape:
    """How a row writes an outline."""

    fields: str
    """What the numbers are, for the user."""
    numbers: int
    """How many there are; 0 for any even number of at least 2."""
    outline: Callable[[Sequence[float]], Points]
    """Returns the corners of the numbers; raises ValueError if they are impossible."""
    detected: bool = False
    """Whether a row can be recognized as this shape. The others look like it, and must be chosen."""


def _pairs(numbers: Sequence[float]) -> Points:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _upright(numbers: Sequence[float]) -> Points:
    left, top, right, bottom = numbers
    if left > right or top > bottom:
        raise ValueError(
            f"the box has a negative width or height: {','.join(f'{number:g}' for number in numbers)}"
        )
    return box(left, top, right, bottom)


def _sized(numbers: Sequence[float]) -> Points:
    left, top, width, height = numbers
    return _upright((left, top, left + width, top + height))


def _turned_corners(numbers: Sequence[float]) -> Points:
    left, top, right, bottom, angle = numbers
    _upright((left, top, right, bottom))
    return rotated(left, top, right - left, bottom - top, angle)


def _turned_center(numbers: Sequence[float]) -> Points:
    x, y, width, height, angle = numbers
    left, top = x - width / 2, y - height / 2
    return _turned_corners((left, top, left + width, top + height, angle))


def _radians(outline: Callable[[Sequence[float]], Points]) -> Callable[[Sequence[float]], Points]:
    def checked(numbers: Sequence[float]) -> Points:
        if abs(numbers[-1]) > FULL_TURN:
            raise ValueError(f"the angle {numbers[-1]:g} is not in radians; for degrees, there is +degrees")
        return outline(numbers)

    return checked


def _degrees(outline: Callable[[Sequence[float]], Points]) -> Callable[[Sequence[float]], Points]:
    return lambda numbers: outline((*numbers[:-1], math.radians(numbers[-1])))


SHAPES = {
    "ltrb": Shape("left, top, right, bottom", 4, _upright, detected=True),
    "quad": Shape("x1, y1, …, x4, y4", 8, _pairs, detected=True),
    "poly": Shape("x1, y1, …, xn, yn", 0, _pairs, detected=True),
    "xywh": Shape("left, top, width, height", 4, _sized),
    "ltrb+angle": Shape("left, top, right, bottom, angle", 5, _radians(_turned_corners)),
    "ltrb+degrees": Shape("left, top, right, bottom, angle", 5, _degrees(_turned_corners)),
    "cxcywh+angle": Shape("center x, center y, width, height, angle", 5, _radians(_turned_center)),
    "cxcywh+degrees": Shape("center x, center y, width, height, angle", 5, _degrees(_turned_center)),
}
"""Shapes by name. A rotated box turns about its center by an angle clockwise on the screen, in radians as in
MSRA-TD500 or in degrees; `ltrb` and `cxcywh` give the box before it turns."""

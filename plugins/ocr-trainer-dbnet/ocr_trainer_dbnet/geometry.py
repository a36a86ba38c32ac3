"""Polygons grown and shrunk; targets and decoding share it, so that one undoes the other."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pyclipper

STEPS = 1024
"""pyclipper computes in integers: a pixel is this many of them."""
ARC_TOLERANCE = 0.25
"""Pixels a round corner may be off by; what the authors' polygons have."""
MITER_LIMIT = 2.0
"""A sharp corner moves by at most this many offsets; a right angle needs 1.42."""
RECTANGLE_CORNERS = 4.0
"""The sum of tan(turn / 2) over the corners of a rectangle, which a bent strip shares."""


def offset(polygon: np.ndarray, distance: float, round_corners: bool = True) -> list[np.ndarray]:
    """Move the outline of a polygon outwards, or inwards where `distance` is negative.

    Args:
        polygon: (points, 2), float or int, finite.
        distance: In pixels.
        round_corners: Round the corners that grow, as DBNet's targets do, or keep them sharp.

    Returns:
        The pieces, float32 (points, 2) each; none where nothing is left or `polygon` has no area.
    """
    join = pyclipper.JT_ROUND if round_corners else pyclipper.JT_MITER
    clipper = pyclipper.PyclipperOffset(MITER_LIMIT, ARC_TOLERANCE * STEPS)
    try:
        clipper.AddPath(_to_steps(polygon), join, pyclipper.ET_CLOSEDPOLYGON)
    except pyclipper.ClipperException:  # a point or a line once its repeated points are gone
        return []
    return _to_pixels(clipper.Execute(distance * STEPS))


def clip(polygon: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the pieces of a polygon within the pixels of an image, whose centers lie at whole numbers.

    Args:
        polygon: (points, 2), finite.
        size: Height and width.
    """
    right, bottom = size[1] - 1, size[0] - 1
    if polygon.min() >= 0 and (polygon.max(axis=0) <= (right, bottom)).all():
        return [polygon]
    image = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])
    clipper = pyclipper.Pyclipper()
    try:
        clipper.AddPath(_to_steps(polygon), pyclipper.PT_SUBJECT, True)
        clipper.AddPath(_to_steps(image), pyclipper.PT_CLIP, True)
    except pyclipper.ClipperException:
        return []
    return _to_pixels(clipper.Execute(pyclipper.CT_INTERSECTION))


def _to_steps(polygon: np.ndarray) -> np.ndarray:
    return np.rint(polygon.astype(np.float64) * STEPS).astype(np.int64)


def _to_pixels(paths: list[list[list[int]]]) -> list[np.ndarray]:
    return [np.asarray(path, dtype=np.float32) / STEPS for path in paths]


def shrink_distance(area: float, perimeter: float, ratio: float) -> float:
    """Return the offset D = A (1 - r²) / L of the paper, in pixels."""
    return area * (1 - ratio**2) / perimeter


def exact_distance(area: float, perimeter: float, ratio: float) -> float:
    """Return the offset that grows a kernel to the polygon `shrink_distance` made it from.

    A shape that grew by D with sharp corners has the perimeter L = L' + 2 k D and the area
    A = A' + L' D + k D², where k sums tan(turn / 2) over its corners. Put into D = c A / L with
    c = 1 - r² this is quadratic in D. k is 4 for a rectangle, and for a strip of any curvature:
    what its outer side turns, its inner side turns back. So polygons are treated the same.

    Args:
        area: A', in square pixels, of the kernel.
        perimeter: L', in pixels.
        ratio: The r that the kernel was shrunk with.
    """
    c = 1 - ratio**2
    linear = (1 - c) * perimeter
    quadratic = RECTANGLE_CORNERS * (2 - c)
    return (-linear + math.sqrt(linear**2 + 4 * quadratic * c * area)) / (2 * quadratic)


def area_and_perimeter(polygon: np.ndarray) -> tuple[float, float]:
    """Measure a float32 or int32 polygon, (points, 2), in pixels; the area is never negative."""
    return cv2.contourArea(polygon), cv2.arcLength(polygon, closed=True)

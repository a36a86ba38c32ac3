"""Polygon offsetting: shrinking for training targets and growing in decoding, so that one undoes the other.

Polygons need the package pyclipper; rectangles, which grow without it, do not.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from ocr_trainer_runtime.errors import ConfigError

STEPS = 1024
"""Integer steps per pixel: pyclipper computes in integers."""
ARC_TOLERANCE = 0.25
"""Largest error of a rounded corner, in pixels; the default that the authors use."""
MITER_LIMIT = 2.0
"""A sharp corner moves by at most this many times the offset; a right angle needs 1.42."""
RECTANGLE_CORNERS = 4.0
"""The sum of tan(turn / 2) over the corners of a rectangle; equal for a curved strip."""


def offset(polygon: np.ndarray, distance: float, round_corners: bool = True) -> list[np.ndarray]:
    """Move the outline of a polygon outward, or inward if `distance` is negative.

    Args:
        polygon: float or int, (points, 2), finite, in pixels.
        distance: In pixels.
        round_corners: Round the corners of a growing polygon, as DBNet's targets do, or keep them sharp.

    Returns:
        The pieces, float32, (points, 2) each; empty if nothing is left or `polygon` has no area.

    Raises:
        ConfigError: The package pyclipper is not installed.
    """
    pyclipper = _pyclipper()
    join = pyclipper.JT_ROUND if round_corners else pyclipper.JT_MITER
    clipper = pyclipper.PyclipperOffset(MITER_LIMIT, ARC_TOLERANCE * STEPS)
    try:
        clipper.AddPath(to_steps(polygon), join, pyclipper.ET_CLOSEDPOLYGON)
    except pyclipper.ClipperException:  # a point or a line, once repeated points are dropped
        return []
    return to_pixels(clipper.Execute(distance * STEPS))


def _pyclipper() -> Any:
    try:
        import pyclipper
    except ImportError as error:
        raise ConfigError(
            "a detector of polygons needs the package pyclipper: pip install 'ocr-trainer-runtime[polygons]'"
        ) from error
    return pyclipper


def to_steps(polygon: np.ndarray) -> np.ndarray:
    """Return a polygon in the integers that pyclipper computes in."""
    return np.rint(polygon.astype(np.float64) * STEPS).astype(np.int64)


def to_pixels(paths: list[list[list[int]]]) -> list[np.ndarray]:
    """Return what pyclipper returned, in pixels."""
    return [np.asarray(path, dtype=np.float32) / STEPS for path in paths]


def exact_distance(area: float, perimeter: float, ratio: float) -> float:
    """Return the offset that grows a kernel back to the polygon it was shrunk from, in pixels.

    A kernel of perimeter L' and area A' that grows by D with sharp corners has the perimeter
    L = L' + 2 k D and the area A = A' + L' D + k D², where k is the sum of tan(turn / 2) over its corners.
    Inserted into D = c A / L with c = 1 - r², this is quadratic in D. k is 4 for a rectangle and for a
    strip of any curvature, because the turns of its outer and inner side cancel. So the same k is used
    for all polygons.

    Args:
        area: A', in square pixels.
        perimeter: L', in pixels.
        ratio: The r that the polygon was shrunk with.
    """
    c = 1 - ratio**2
    linear = (1 - c) * perimeter
    quadratic = RECTANGLE_CORNERS * (2 - c)
    return (-linear + math.sqrt(linear**2 + 4 * quadratic * c * area)) / (2 * quadratic)


def area_and_perimeter(polygon: np.ndarray) -> tuple[float, float]:
    """Return the area, in square pixels, and the perimeter, in pixels, of a polygon.

    Args:
        polygon: float32 or int32, (points, 2). Its direction does not matter: the area is never negative.
    """
    return cv2.contourArea(polygon), cv2.arcLength(polygon, closed=True)

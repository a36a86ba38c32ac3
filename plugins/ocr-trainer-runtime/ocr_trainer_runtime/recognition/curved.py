"""Find the course of a text within its outline: top edge, bottom edge and starting point."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ocr_trainer_runtime.geometry import MIN_AREA, UNIT_SQUARE, Homography, extent
from ocr_trainer_runtime.types import Polygon

HORIZON = 0.05
"""Smallest ratio of the far side to the near side of a text seen in perspective. Less is not a plane."""

MIN_FILL = 0.7
"""Smallest ratio of an outline's area to that of a strip of its height and width, for correct edges."""


class Band(NamedTuple):
    """A text between two edges, each float64 of shape (points, 2), both starting where the text begins."""

    top: np.ndarray
    bottom: np.ndarray

    @property
    def pieces(self) -> np.ndarray:
        """Length from point to point, averaged over both edges: shape (points - 1,), in pixels."""
        along = np.diff([self.top, self.bottom], axis=1)
        lengths: np.ndarray = np.linalg.norm(along, axis=2).mean(axis=0)
        return lengths

    @property
    def heights(self) -> np.ndarray:
        """Distance between the edges at each point: shape (points,), in pixels."""
        return np.asarray(np.linalg.norm(self.bottom - self.top, axis=1))

    @property
    def size(self) -> tuple[float, float]:
        """Height and width from the first to the last pixel."""
        return float(self.heights.mean()), float(self.pieces.sum())


def normalize_outline(polygon: Polygon, ordered: bool) -> np.ndarray:
    """Return the points in clockwise order.

    Args:
        polygon: (points, 2), in either direction.
        ordered: Whether to keep the first point. Otherwise the outline starts where the text seems to begin.

    Returns:
        float64 of shape (points, 2).

    Raises:
        ValueError: If the points are not a polygon; the message is the reason.
    """
    points = np.asarray(polygon, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"{len(points)} points are not a polygon")
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not a finite number")
    x, y = (points - points[0]).T
    area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    if abs(area) < MIN_AREA:
        raise ValueError("the outline has no area")
    points = points if area > 0 else np.roll(points[::-1], 1, axis=0)
    return points if ordered else _start_at_text(points)


def find_band(points: np.ndarray, margin: float = 0.0) -> tuple[Band, bool]:
    """Return the band of a text, and whether it is exactly the outline (otherwise, a rectangle around it).

    Args:
        points: Clockwise outline, float64 of shape (points, 2).
        margin: Extra space to be cut around the text, as a fraction of its height.
    """
    band = _split_edges(points)
    if len(points) == 4 and _is_convex(points) and _is_planar(band, margin):
        return band, True
    if _is_paired(points) and _is_strip(band):
        return band, True
    return _fit_rectangle(points), False


def _split_edges(points: np.ndarray) -> Band:
    half = len(points) // 2
    return Band(points[:half], points[half:][::-1])


def _is_paired(points: np.ndarray) -> bool:
    """Return whether the outline may have a point below for each point above, besides the corners."""
    return len(points) % 2 == 0 and len(points) > 4


def _is_convex(corners: np.ndarray) -> bool:
    """Return whether all clockwise quadrilaterals, shape (..., 4, 2), turn right at each corner."""
    sides = np.roll(corners, -1, axis=-2) - corners
    after = np.roll(sides, -1, axis=-2)
    return bool((sides[..., 0] * after[..., 1] - sides[..., 1] * after[..., 0] > 1e-6).all())


def _is_planar(band: Band, margin: float) -> bool:
    """Return whether a quadrilateral, with its margin, can be a rectangle seen in perspective."""
    height, width = band.size
    matrix = projection(band, 2, 2, 0)
    share = np.array([margin * height / max(width, 1e-6), margin])
    depths = (UNIT_SQUARE * (1 + 2 * share) - share) @ matrix[2, :2] + matrix[2, 2]
    return bool(depths.min() > HORIZON * depths.max())


def _is_strip(band: Band) -> bool:
    """Return whether two edges are the top and bottom of a text: convex pieces of similar height."""
    pieces = np.stack([band.top[:-1], band.top[1:], band.bottom[1:], band.bottom[:-1]], axis=1)
    heights, (height, width) = band.heights, band.size
    even = width >= height and heights.max() <= 3 * heights.min()
    return even and _is_convex(pieces) and _fill_ratio(band) >= MIN_FILL


def _fill_ratio(band: Band) -> float:
    """Return the area between two edges divided by that of a strip of their height and width."""
    height, width = band.size
    return cv2.contourArea(np.concatenate([band.top, band.bottom[::-1]]).astype(np.float32)) / (
        height * width
    )


def _start_at_text(points: np.ndarray) -> np.ndarray:
    """Rotate the points of a clockwise outline to start where the text begins, if that can be seen."""
    if len(points) == 4:
        return _start_quad_at_text(points)
    if not _is_paired(points):
        return points
    half = len(points) // 2
    starts = [np.roll(points, -start, axis=0) for start in range(half)]
    if not (bands := [(start, band) for start in starts if _is_strip(band := _split_edges(start))]):
        return points
    begun, band = max(bands, key=lambda one: _fill_ratio(one[1]))
    along = band.top[-1] - band.top[0] + band.bottom[-1] - band.bottom[0]
    return np.roll(begun, half, axis=0) if _is_backwards(along / max(np.linalg.norm(along), 1e-6)) else begun


def _start_quad_at_text(corners: np.ndarray) -> np.ndarray:
    """Rotate the corners of a clockwise quadrilateral so that it starts where the text begins."""
    top, _ = _fit_rectangle(corners)
    sides = np.roll(corners, -1, axis=0) - corners
    along = (sides - np.roll(sides, 2, axis=0)) @ (top[1] - top[0])
    return np.roll(corners, -int(along.argmax()), axis=0)


def _fit_rectangle(points: np.ndarray) -> Band:
    """Return the rectangle along a text: level if that fits nearly as well, read downwards if steep."""
    low, high = extent(points)
    middle = (low + high) / 2
    _, lengths, angle = cv2.minAreaRect((points - middle).astype(np.float32))
    sides = np.array(lengths, dtype=np.float64)
    # A level box is preferred up to 10 % more area: the minimal one of noisy points is tilted.
    if sides.prod() > 0.9 * (high - low).prod():
        sides, angle = high - low, 0.0
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    across = np.array([-along[1], along[0]])
    long, short = (along, across) if sides[0] >= sides[1] else (across, along)
    steep = abs(long[0]) < abs(long[1])
    along = short if steep and sides.max() < 2 * sides.min() else long
    along = -along if _is_backwards(along) else along
    frame = np.stack([along, [-along[1], along[0]]])
    (left, top), (right, bottom) = extent((points - middle) @ frame.T)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ frame + middle
    return Band(corners[:2], corners[2:][::-1])


def _is_backwards(along: np.ndarray) -> bool:
    """Return whether a unit vector points left, or up if steep. Text runs the other way."""
    return bool(
        along[0] < (0.17 if along[1] < 0 else -0.17)
    )  # sin(10°): up to 10° past vertical still counts as downwards


def projection(band: Band, height: int, width: int, pad: int) -> Homography:
    """Return the homography from pixels of the crop to pixels of the image.

    Args:
        band: Four corners of the text.
        height: Height of the crop without margin, in pixels.
        width: Width of the crop without margin, in pixels.
        pad: Margin on each side, in pixels.
    """
    corners = np.concatenate([band.top, band.bottom[::-1]])
    origin = corners.min(axis=0)  # small numbers keep the precision of float32
    crop = (UNIT_SQUARE * (width - 1, height - 1) + pad).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(crop, (corners - origin).astype(np.float32))
    matrix[:2] += np.outer(origin, matrix[2])
    return matrix

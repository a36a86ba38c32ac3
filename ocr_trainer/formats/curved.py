"""Where a text runs within its outline, and where it begins."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ocr_trainer.data.geometry import UNIT_SQUARE, Homography, extent
from ocr_trainer.data.types import Polygon
from ocr_trainer.formats.annotations import LEAST_AREA

HORIZON = 0.05
"""How many times smaller than the near side of a text the far one may appear; beyond, it is no plane."""

LEAST_FILLED = 0.7
"""The share of a strip of its height and width that an outline has, if it begins where the text does."""


class Band(NamedTuple):
    """A text between two edges of as many points each, float64, (points, 2), both from its beginning on."""

    top: np.ndarray
    bottom: np.ndarray

    @property
    def pieces(self) -> np.ndarray:
        """Lengths from point to point, the mean of both edges: (points - 1,), in pixels."""
        along = np.diff([self.top, self.bottom], axis=1)
        return np.linalg.norm(along, axis=2).mean(axis=0)

    @property
    def heights(self) -> np.ndarray:
        """Distances between the edges: (points,), in pixels."""
        return np.linalg.norm(self.bottom - self.top, axis=1)

    @property
    def size(self) -> tuple[float, float]:
        """Height and width, from the first to the last pixel."""
        return float(self.heights.mean()), float(self.pieces.sum())


def sound(polygon: Polygon, ordered: bool) -> np.ndarray:
    """Return the points in clockwise order, beginning with the same one or where the text seems to."""
    points = np.asarray(polygon, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"{len(points)} points are no polygon")
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not a finite number")
    x, y = (points - points[0]).T
    area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    if abs(area) < LEAST_AREA:
        raise ValueError("the outline has no area")
    points = points if area > 0 else np.roll(points[::-1], 1, axis=0)
    return points if ordered else _begun(points)


def find_band(points: np.ndarray, margin: float = 0.0) -> tuple[Band, bool]:
    """Return where the text runs, and whether that is all that the outline holds."""
    band = _halves(points)
    if len(points) == 4 and _convex(points) and _flat(band, margin):
        return band, True
    if _is_paired(points) and _runs_along(band):
        return band, True
    return _rectangle(points), False


def _halves(points: np.ndarray) -> Band:
    half = len(points) // 2
    return Band(points[:half], points[half:][::-1])


def _is_paired(points: np.ndarray) -> bool:
    """Tell whether there may be as many points above as below, and more than the corners."""
    return len(points) % 2 == 0 and len(points) > 4


def _convex(corners: np.ndarray) -> bool:
    """Tell whether clockwise quadrilaterals, (..., 4, 2), turn right at each corner."""
    sides = np.roll(corners, -1, axis=-2) - corners
    after = np.roll(sides, -1, axis=-2)
    return bool((sides[..., 0] * after[..., 1] - sides[..., 1] * after[..., 0] > 1e-6).all())


def _flat(band: Band, margin: float) -> bool:
    """Tell whether a quadrilateral may well be a rectangle in space, and its margin with it."""
    height, width = band.size
    matrix = projection(band, 2, 2, 0)
    share = np.array([margin * height / max(width, 1e-6), margin])
    depths = (UNIT_SQUARE * (1 + 2 * share) - share) @ matrix[2, :2] + matrix[2, 2]
    return bool(depths.min() > HORIZON * depths.max())


def _runs_along(band: Band) -> bool:
    """Tell whether two edges are the top and the bottom of a text: pieces side by side, of like height."""
    pieces = np.stack([band.top[:-1], band.top[1:], band.bottom[1:], band.bottom[:-1]], axis=1)
    heights, (height, width) = band.heights, band.size
    even = width >= height and heights.max() <= 3 * heights.min()
    return even and _convex(pieces) and _filled(band) >= LEAST_FILLED


def _filled(band: Band) -> float:
    """Return the area between two edges as a share of a strip of their height and width."""
    height, width = band.size
    return cv2.contourArea(np.concatenate([band.top, band.bottom[::-1]]).astype(np.float32)) / (
        height * width
    )


def _begun(points: np.ndarray) -> np.ndarray:
    """Return a clockwise outline so that it begins where the text does as far as it tells."""
    if len(points) == 4:
        return _turned(points)
    if not _is_paired(points):
        return points
    half = len(points) // 2
    starts = [np.roll(points, -start, axis=0) for start in range(half)]
    if not (bands := [(start, band) for start in starts if _runs_along(band := _halves(start))]):
        return points
    begun, band = max(bands, key=lambda one: _filled(one[1]))
    along = band.top[-1] - band.top[0] + band.bottom[-1] - band.bottom[0]
    return np.roll(begun, half, axis=0) if _is_backwards(along / max(np.linalg.norm(along), 1e-6)) else begun


def _turned(corners: np.ndarray) -> np.ndarray:
    """Return a clockwise quadrilateral so that it begins where the text does as far as its outline tells."""
    top, _ = _rectangle(corners)
    sides = np.roll(corners, -1, axis=0) - corners
    along = (sides - np.roll(sides, 2, axis=0)) @ (top[1] - top[0])
    return np.roll(corners, -int(along.argmax()), axis=0)


def _rectangle(points: np.ndarray) -> Band:
    """Return the rectangle along a text: level if that fits nearly as well, read downwards if steep."""
    low, high = extent(points)
    middle = (low + high) / 2
    _, sides, angle = cv2.minAreaRect((points - middle).astype(np.float32))
    sides = np.array(sides, dtype=np.float64)
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
    """Tell whether a direction of length 1 is leftwards, or upwards if steep: text runs the other way."""
    return bool(along[0] < (0.17 if along[1] < 0 else -0.17))  # 10 degrees beyond vertical is still downwards


def projection(band: Band, height: int, width: int, pad: int) -> Homography:
    """Return what maps pixels of the crop to those of the image."""
    corners = np.concatenate([band.top, band.bottom[::-1]])
    origin = corners.min(axis=0)  # for the precision of float32
    crop = (UNIT_SQUARE * (width - 1, height - 1) + pad).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(crop, (corners - origin).astype(np.float32))
    matrix[:2] += np.outer(origin, matrix[2])
    return matrix

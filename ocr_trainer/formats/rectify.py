"""Cutting one text out of an image so that it can be read from left to right.

A point (x, y) is the centre of the pixel in column x and row y; a box from 10 to 50 is cut as the 41
columns that it names, and nothing is resampled where it lies straight.
"""

from __future__ import annotations

from math import dist
from typing import NamedTuple

import cv2
import numpy as np

from ocr_trainer.formats.annotations import LEAST_AREA
from ocr_trainer.training.geometry import UNIT_SQUARE, Homography, apply, extent
from ocr_trainer.training.samples import Image, Polygon

LEAST_SIDE = 1.5
"""Pixels from the first to the last; what is thinner shows no text."""

SIDE_LIMIT = 32_766
"""Pixels; OpenCV does not resample more."""

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


def cut(
    image: Image, polygon: Polygon, margin: float = 0.0, mask: bool = True, ordered: bool = True
) -> Image:
    """Return the text within a polygon, upright, at its own size.

    A quadrilateral is seen from the front; its first corner is the text's top left one. An outline of
    2n points that run along the text's top and back along its bottom is straightened. Of any other, also of
    one that begins in the midst of an edge,
    the smallest rectangle is cut that lies along it, and what does not belong to it is blanked. What
    lies outside the image repeats its border.

    Args:
        image: uint8, (height, width, 3).
        polygon: (points, 2), clockwise or not: the first point counts.
        margin: What to add on each side, as a share of the text's height.
        mask: Whether a rectangle loses what lies outside of the polygon and its margin.
        ordered: Whether the first point tells where the text begins; otherwise it runs along its outline,
            to the right or, if it is steep, downwards.

    Raises:
        ValueError: There is nothing to cut; the message says why, as a part of a sentence.
    """
    points = _sound(polygon, ordered)
    low, high = extent(points)
    if (high <= 0).any() or (low >= image.shape[1::-1]).any():
        raise ValueError("it lies outside the image")
    band, exact = _band(points, margin)
    height, width, pad = _size(band, image, margin)
    if len(band.top) > 2:
        return _straighten(image, band, height, width, pad)
    matrix = _projection(band, height, width, pad)
    reach = apply(matrix, UNIT_SQUARE * (width + 2 * pad - 1, height + 2 * pad - 1))
    source, offset = _window(image, reach)
    matrix[:2] -= np.outer(offset, matrix[2])
    text = cv2.warpPerspective(
        source,
        matrix,
        (width + 2 * pad, height + 2 * pad),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if mask and not exact:
        _blank_outside(text, apply(np.linalg.inv(matrix), points - offset), pad)
    return text


def text_size(polygon: Polygon, ordered: bool = True) -> tuple[float, float]:
    """Return height and width of the text that `cut` finds in a polygon, in pixels, without margin.

    Raises:
        ValueError: The polygon has no area.
    """
    if not ordered or len(polygon) != 4:
        return _band(_sound(polygon, ordered))[0].size
    # Most are quadrilaterals, of which there may be a million: in a thirtieth of the time.
    a, b, c, d = polygon.tolist()
    doubled = (c[0] - a[0]) * (d[1] - b[1]) - (d[0] - b[0]) * (c[1] - a[1])
    if not abs(doubled) >= 2 * LEAST_AREA:
        raise ValueError("the outline has no area")
    across, down = (dist(a, b) + dist(c, d)) / 2, (dist(b, c) + dist(d, a)) / 2
    return (down, across) if doubled > 0 else (across, down)


def _sound(polygon: Polygon, ordered: bool) -> np.ndarray:
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


def _size(band: Band, image: Image, margin: float) -> tuple[int, int, int]:
    """Return height and width of the crop without margin, and the margin, in pixels."""
    height, width = band.size
    pad = round(margin * height)
    if min(height, width) < LEAST_SIDE:
        raise ValueError(f"{width:.3g} x {height:.3g} pixels are too few to show a text")
    if max(height, width) > min(sum(image.shape[:2]), SIDE_LIMIT - 2 * pad):
        raise ValueError(f"{width:.0f} x {height:.0f} pixels are more than a text in this image can have")
    return round(height) + 1, round(width) + 1, pad


def _band(points: np.ndarray, margin: float = 0.0) -> tuple[Band, bool]:
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
    matrix = _projection(band, 2, 2, 0)
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


def _projection(band: Band, height: int, width: int, pad: int) -> Homography:
    """Return what maps pixels of the crop to those of the image."""
    corners = np.concatenate([band.top, band.bottom[::-1]])
    origin = corners.min(axis=0)  # for the precision of float32
    crop = (UNIT_SQUARE * (width - 1, height - 1) + pad).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(crop, (corners - origin).astype(np.float32))
    matrix[:2] += np.outer(origin, matrix[2])
    return matrix


def _window(image: Image, reach: np.ndarray) -> tuple[Image, np.ndarray]:
    """Return the part of an image that points span, and its first pixel; OpenCV takes no page of any size."""
    low, high = extent(reach)
    size = np.array(image.shape[1::-1])
    first = np.clip(np.floor(low).astype(int) - 2, 0, size - 1)
    last = np.clip(np.ceil(high).astype(int) + 3, first + 1, size)
    if (last - first).max() > SIDE_LIMIT:
        raise ValueError(f"it spans more than {SIDE_LIMIT:,} pixels")
    return image[first[1] : last[1], first[0] : last[0]], first


def _straighten(image: Image, band: Band, height: int, width: int, pad: int) -> Image:
    """Lay a curved text straight: columns go from edge to edge, at even distances along them."""
    top, bottom, pieces = *band, band.pieces
    if pad:
        ends = np.array([pad / pieces[0], pad / pieces[-1]])[:, None]
        top, bottom = (
            np.vstack([e[0] - ends[0] * (e[1] - e[0]), e, e[-1] + ends[1] * (e[-1] - e[-2])])
            for e in (top, bottom)
        )
        pieces = np.array([pad, *pieces, pad])
    knots = np.concatenate([[0], np.cumsum(pieces)])
    columns = np.linspace(0, knots[-1], width + 2 * pad)
    upper, lower = (
        np.stack([np.interp(columns, knots, e[:, axis]) for axis in (0, 1)]) for e in (top, bottom)
    )
    rows = (np.arange(height + 2 * pad) - pad) / (height - 1)
    places = upper[:, None] + rows[:, None] * (lower - upper)[:, None]
    source, offset = _window(image, places.reshape(2, -1).T)
    x, y = (places - offset[:, None, None]).astype(np.float32)
    return cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _blank_outside(text: Image, points: np.ndarray, pad: int) -> None:
    """Give what lies further than `pad` pixels from a polygon the colour that its outline mostly has."""
    outline = [np.rint(points).astype(np.int32)]
    edge = cv2.polylines(np.zeros(text.shape[:2], np.uint8), outline, True, 1) > 0
    inside = cv2.fillPoly(np.zeros(text.shape[:2], np.uint8), outline, 1)
    if pad:
        inside = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pad + 1, 2 * pad + 1)))
    text[inside == 0] = np.median(text[edge], axis=0)

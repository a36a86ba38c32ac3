"""Cut a text out of an image and straighten it, so that it can be read from left to right.

A point (x, y) is the center of the pixel in column x and row y. A box from 10 to 50 is cut as its 41
columns, and an upright box is not resampled.
"""

from __future__ import annotations

from math import dist

import cv2
import numpy as np

from ocr_trainer_runtime.geometry import MIN_AREA, UNIT_SQUARE, apply, extent
from ocr_trainer_runtime.recognition.curved import Band, find_band, normalize_outline, projection
from ocr_trainer_runtime.types import Image, Polygon

MIN_SIDE = 1.5
"""In pixels from the first to the last. Anything thinner shows no text."""

SIDE_LIMIT = 32_766
"""In pixels. OpenCV cannot resample larger images."""


def cut(
    image: Image, polygon: Polygon, margin: float = 0.0, mask: bool = True, ordered: bool = True
) -> Image:
    """Return the text within a polygon, upright, at its original size.

    A quadrilateral is rectified; its first corner is the top left of the text. An outline of 2n points that
    run along the top of the text and back along its bottom is straightened. For any other outline, also one
    that starts in the middle of an edge, the smallest rectangle along it is cut and the rest is blanked.
    Pixels outside the image repeat its border.

    Args:
        image: uint8 of shape (height, width, 3).
        polygon: (points, 2), in either direction.
        margin: Extra space on each side, as a fraction of the text's height.
        mask: Whether a rectangle loses what lies outside the polygon and its margin.
        ordered: Whether the first point is where the text begins. Otherwise the text is assumed to run along
            its outline, to the right or, if steep, downwards.

    Returns:
        uint8 of shape (h, w, 3).

    Raises:
        ValueError: If there is nothing to cut. The message is the reason, as part of a sentence.
    """
    points = normalize_outline(polygon, ordered)
    low, high = extent(points)
    if (high <= 0).any() or (low >= image.shape[1::-1]).any():
        raise ValueError("it lies outside the image")
    band, exact = find_band(points, margin)
    height, width, pad = _size(band, image, margin)
    if len(band.top) > 2:
        return _straighten(image, band, height, width, pad)
    matrix = projection(band, height, width, pad)
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
        _mask_outside(text, apply(np.linalg.inv(matrix), points - offset), pad)
    return text


def text_size(polygon: Polygon, ordered: bool = True) -> tuple[float, float]:
    """Return height and width in pixels of the text that `cut` finds in a polygon, without margin.

    Raises:
        ValueError: If the polygon has no area.
    """
    if not ordered or len(polygon) != 4:
        return find_band(normalize_outline(polygon, ordered))[0].size
    # Fast path: nearly all outlines are quadrilaterals, up to a million. 30 times faster than a band.
    a, b, c, d = polygon.tolist()
    doubled = (c[0] - a[0]) * (d[1] - b[1]) - (d[0] - b[0]) * (c[1] - a[1])
    if not abs(doubled) >= 2 * MIN_AREA:
        raise ValueError("the outline has no area")
    across, down = (dist(a, b) + dist(c, d)) / 2, (dist(b, c) + dist(d, a)) / 2
    return (down, across) if doubled > 0 else (across, down)


def _size(band: Band, image: Image, margin: float) -> tuple[int, int, int]:
    """Return height and width of the crop without margin, and the margin, in pixels."""
    height, width = band.size
    pad = round(margin * height)
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"{width:.3g} x {height:.3g} pixels are too few to show a text")
    if max(height, width) > min(sum(image.shape[:2]), SIDE_LIMIT - 2 * pad):
        raise ValueError(f"{width:.0f} x {height:.0f} pixels are more than a text in this image can have")
    return round(height) + 1, round(width) + 1, pad


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
    """Resample a curved text: each column runs from edge to edge, at equal distances along them."""
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


def _mask_outside(text: Image, points: np.ndarray, pad: int) -> None:
    """Fill the pixels that are more than `pad` pixels from a polygon with the median color of its outline."""
    outline = [np.rint(points).astype(np.int32)]
    edge = cv2.polylines(np.zeros(text.shape[:2], np.uint8), outline, True, 1) > 0
    inside = cv2.fillPoly(np.zeros(text.shape[:2], np.uint8), outline, 1)
    if pad:
        inside = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pad + 1, 2 * pad + 1)))
    text[inside == 0] = np.median(text[edge], axis=0)

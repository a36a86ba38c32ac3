"""What DBNet learns from: a map of shrunk text kernels and a map of thresholds around text.

As in Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_trainer_dbnet.geometry import area_and_perimeter, clip, offset, shrink_distance
from ocr_trainer_dbnet.plugin import DBNetConfig

REACH = 2.0**15
"""Pixels: a polygon that goes farther than this from the image's corner is not learned."""


def make_targets(
    polygons: Sequence[np.ndarray], ignore: np.ndarray, size: tuple[int, int], config: DBNetConfig
) -> dict[str, np.ndarray]:
    """Draw the targets of one image.

    What cannot be learned is masked out: ignored and too small text, polygons that are degenerate
    or shrink to nothing.

    Args:
        polygons: float32, (points, 2), in pixels; they may leave the image.
        ignore: bool, (polygons,).
        size: Height and width of the image.
        config: The shrinking ratio, the thresholds and the least size of text.

    Returns:
        Arrays of shape `size`: "shrunk" (uint8, 1 in a kernel), "mask" (uint8, 0 where nothing is
        learned), "threshold" (float16), "threshold_mask" (uint8, 1 where it is learned).
    """
    shrunk, mask, band_mask = np.zeros(size, np.uint8), np.ones(size, np.uint8), np.zeros(size, np.uint8)
    band = np.zeros(size, np.float32)
    for polygon, ignored in zip(polygons, ignore, strict=True):
        kernel = None if ignored else shrink(polygon, config)
        if kernel is None:
            _fill(mask, [polygon], 0)
            continue
        pieces, distance = kernel
        if not _near(polygon, distance, size):
            continue
        _fill(shrunk, pieces, 1)
        _fill(band_mask, offset(polygon, distance), 1)
        draw_band(band, polygon, distance)
    threshold = config.thresh_min + (config.thresh_max - config.thresh_min) * band
    return {
        "shrunk": shrunk,
        "mask": mask,
        "threshold": threshold.astype(np.float16),  # half the bytes from worker to trainer
        "threshold_mask": band_mask,
    }


def shrink(polygon: np.ndarray, config: DBNetConfig) -> tuple[list[np.ndarray], float] | None:
    """Return the pieces of a polygon's kernel and the offset to them, or `None` if it cannot be learned."""
    if len(polygon) < 3 or not (np.abs(polygon) <= REACH).all():  # False for NaN, too
        return None
    if np.ptp(polygon, axis=0).min() < config.min_text_size:
        return None
    area, perimeter = area_and_perimeter(polygon)
    if area < 1:
        return None
    distance = shrink_distance(area, perimeter, config.shrink_ratio)
    pieces = offset(polygon, -distance)
    return (pieces, distance) if pieces else None


def draw_band(band: np.ndarray, polygon: np.ndarray, distance: float) -> None:
    """Raise `band` to 1 on the outline of `polygon`, falling to 0 at `distance` from it on both sides.

    Args:
        band: float32, (height, width); keeps what is higher already.
        polygon: float32, (points, 2).
        distance: In pixels, above 0.
    """
    height, width = band.shape
    for start, end in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        # No pixel farther away than `distance` changes, so each edge needs its own surroundings only.
        left, right = _span(start[0], end[0], distance, width)
        top, bottom = _span(start[1], end[1], distance, height)
        if left < right and top < bottom:
            x = np.arange(left, right, dtype=np.float32) - np.float32(start[0])
            y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(start[1])
            far = _distance_to_segment(x, y, end[0] - start[0], end[1] - start[1])
            view = band[top:bottom, left:right]
            np.maximum(view, 1 - far / np.float32(distance), out=view)


def _distance_to_segment(x: np.ndarray, y: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Return how far the points of a grid are from the segment (0, 0) to (dx, dy): (rows, columns)."""
    length = max(dx * dx + dy * dy, 1e-12)  # repeated points make edges without length
    along = (x * np.float32(dx / length) + y * np.float32(dy / length)).clip(0, 1)
    return np.sqrt(np.square(x - along * np.float32(dx)) + np.square(y - along * np.float32(dy)))


def _span(a: float, b: float, margin: float, limit: int) -> tuple[int, int]:
    """Return the half-open range of pixels within `margin` of the interval from a to b."""
    return max(int(min(a, b) - margin), 0), min(int(max(a, b) + margin) + 2, limit)


def _near(polygon: np.ndarray, margin: float, size: tuple[int, int]) -> bool:
    """Tell whether anything within `margin` of a polygon's box can lie in the image."""
    (left, top), (right, bottom) = polygon.min(axis=0) - margin, polygon.max(axis=0) + margin
    return bool(left < size[1] and top < size[0] and right > -1 and bottom > -1)


def _fill(target: np.ndarray, polygons: list[np.ndarray], value: int) -> None:
    """Fill polygons, outlines included; points that are no numbers are passed over."""
    for polygon in polygons:
        points = polygon[~np.isnan(polygon).any(axis=1)].clip(-REACH, REACH)
        # OpenCV misplaces the edges of what leaves the image, so nothing may.
        for piece in clip(points, target.shape) if len(points) else []:
            cv2.fillPoly(target, [np.rint(piece).astype(np.int32)], value)

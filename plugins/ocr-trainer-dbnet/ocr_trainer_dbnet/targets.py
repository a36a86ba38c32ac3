"""Target maps of DBNet: shrunk text kernels, and thresholds around text borders.

Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020, section "Label
generation".
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_trainer.plugin.options import DBConfig
from ocr_trainer_dbnet.geometry import clip, shrink_distance
from ocr_trainer_runtime.detection.offset import area_and_perimeter, offset

MAX_COORDINATE = 2.0**15
"""Largest absolute coordinate of a learned polygon, in pixels; polygons beyond it are masked out."""


def make_targets(
    polygons: Sequence[np.ndarray], ignore: np.ndarray, size: tuple[int, int], config: DBConfig
) -> dict[str, np.ndarray]:
    """Draw the target maps of one image.

    Text that cannot be learned is masked out: ignored text, text that is too small, and polygons that are
    degenerate or shrink to nothing.

    Args:
        polygons: float32, (points, 2) each, in pixels; they may leave the image.
        ignore: bool, (polygons,).
        size: Height and width of the image.
        config: The shrink ratio, the thresholds and the smallest size of text.

    Returns:
        Arrays of shape `size`: "shrunk" (uint8, 1 in a kernel), "mask" (uint8, 0 where neither text nor
        background is learned), "threshold" (float16) and "threshold_mask" (uint8, 1 where the threshold
        is learned).
    """
    shrunk, mask, band_mask = np.zeros(size, np.uint8), np.ones(size, np.uint8), np.zeros(size, np.uint8)
    band = np.zeros(size, np.float32)
    for polygon, ignored in zip(polygons, ignore, strict=True):
        kernel = None if ignored else shrink(polygon, config)
        if kernel is None:
            _fill(mask, [polygon], 0)
            continue
        pieces, distance = kernel
        # Text outside the image, as after a crop, changes no map.
        if not _near(polygon, distance, size):
            continue
        _fill(shrunk, pieces, 1)
        _fill(band_mask, offset(polygon, distance), 1)
        draw_band(band, polygon, distance)
    threshold = config.thresh_min + (config.thresh_max - config.thresh_min) * band
    return {
        "shrunk": shrunk,
        "mask": mask,
        "threshold": threshold.astype(np.float16),  # halves the bytes sent by the worker process
        "threshold_mask": band_mask,
    }


def shrink(polygon: np.ndarray, config: DBConfig) -> tuple[list[np.ndarray], float] | None:
    """Return the pieces of a polygon's kernel and their offset, or None if it cannot be learned.

    Args:
        polygon: float32, (points, 2), in pixels.
        config: The shrink ratio and the smallest size of text.

    Returns:
        The pieces, float32, (points, 2) each, and the offset in pixels.
    """
    if len(polygon) < 3 or not (np.abs(polygon) <= MAX_COORDINATE).all():  # rejects NaN, too
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
    """Raise `band` in place to 1 on the outline of `polygon`, falling to 0 at `distance` on both sides.

    Args:
        band: float32, (height, width); higher values in it stay.
        polygon: float32, (points, 2), in pixels.
        distance: In pixels, above 0.
    """
    height, width = band.shape
    for start, end in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        # Only pixels within `distance` of an edge change, so only its surroundings are computed.
        left, right = _span(start[0], end[0], distance, width)
        top, bottom = _span(start[1], end[1], distance, height)
        if left < right and top < bottom:
            x = np.arange(left, right, dtype=np.float32) - np.float32(start[0])
            y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(start[1])
            away = _distance_to_segment(x, y, end[0] - start[0], end[1] - start[1])
            view = band[top:bottom, left:right]
            np.maximum(view, 1 - away / np.float32(distance), out=view)


def _distance_to_segment(x: np.ndarray, y: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Return the distances of the points of a grid to the segment from (0, 0) to (dx, dy).

    Args:
        x: float32, (columns,).
        y: float32, (rows, 1).
        dx: The segment's extent along x.
        dy: The segment's extent along y.

    Returns:
        float32, (rows, columns).
    """
    squared_length = max(dx * dx + dy * dy, 1e-12)  # repeated points give edges of length 0
    along = (x * np.float32(dx / squared_length) + y * np.float32(dy / squared_length)).clip(0, 1)
    distances: np.ndarray = np.sqrt(
        np.square(x - along * np.float32(dx)) + np.square(y - along * np.float32(dy))
    )
    return distances


def _span(a: float, b: float, margin: float, limit: int) -> tuple[int, int]:
    """Return the half-open range of pixels within `margin` of the interval from a to b, inside 0 to limit."""
    return max(int(min(a, b) - margin), 0), min(int(max(a, b) + margin) + 2, limit)


def _near(polygon: np.ndarray, margin: float, size: tuple[int, int]) -> bool:
    """Return whether a polygon's bounding box, grown by `margin`, overlaps the image."""
    (left, top), (right, bottom) = polygon.min(axis=0) - margin, polygon.max(axis=0) + margin
    return bool(left < size[1] and top < size[0] and right > -1 and bottom > -1)


def _fill(target: np.ndarray, polygons: list[np.ndarray], value: int) -> None:
    """Fill polygons in `target` in place, outlines included; NaN points are skipped."""
    for polygon in polygons:
        points = polygon[~np.isnan(polygon).any(axis=1)].clip(-MAX_COORDINATE, MAX_COORDINATE)
        # OpenCV misplaces the edges of polygons that leave the image, so they are clipped first.
        for piece in clip(points, target.shape) if len(points) else []:
            cv2.fillPoly(target, [np.rint(piece).astype(np.int32)], value)

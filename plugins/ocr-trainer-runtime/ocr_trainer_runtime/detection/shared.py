"""The areas that outlines share, counted in the cells of a grid: exact enough to tell one text from two."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_trainer_runtime.types import Polygon

CELLS = 64
"""Cells of the grid along each side of what is compared."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def shared_areas(polygons: Sequence[Polygon]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of outlines that meet, in both orders, and the part of the smaller one they share.

    Returns:
        Two times int, (pairs,), positions in `polygons`, and float, (pairs,), 0 to 1.
    """
    boxes = np.array([(*p.min(axis=0), *p.max(axis=0)) for p in polygons], dtype=np.float64).reshape(-1, 4)
    pairs, shares = [], []
    for i, (left, top, right, bottom) in enumerate(boxes):
        rest = boxes[i + 1 :]
        meets = (rest[:, 0] < right) & (rest[:, 2] > left) & (rest[:, 1] < bottom) & (rest[:, 3] > top)
        for j in (i + 1 + np.flatnonzero(meets)).tolist():
            share = _share(polygons[i], polygons[j], boxes[i], boxes[j])
            pairs += [(i, j), (j, i)]
            shares += [share, share]
    i_and_j = np.array(pairs, dtype=int).reshape(-1, 2)
    return i_and_j[:, 0], i_and_j[:, 1], np.array(shares, dtype=np.float64)


def _share(one: Polygon, other: Polygon, box: np.ndarray, other_box: np.ndarray) -> float:
    """Return which part of the smaller of two outlines lies in the other."""
    smaller = min(cv2.contourArea(np.ascontiguousarray(p, dtype=np.float32)) for p in (one, other))
    if smaller <= 0:
        return 0.0
    low, high = np.maximum(box[:2], other_box[:2]), np.minimum(box[2:], other_box[2:])
    return min(shared_area([one, other], (low[0], low[1], high[0], high[1])) / smaller, 1.0)


def shared_area(polygons: Sequence[Polygon], window: Box) -> float:
    """Return the area that all outlines share within a window, in its units squared."""
    left, top, right, bottom = window
    if right <= left or bottom <= top:
        return 0.0
    centers = (np.arange(CELLS) + 0.5) / CELLS
    x, y = left + (right - left) * centers, top + (bottom - top) * centers
    common = np.ones((CELLS, CELLS), dtype=bool)
    for polygon in polygons:
        common &= _inside(polygon, x, y)
    return float(common.mean() * (right - left) * (bottom - top))


def _inside(polygon: Polygon, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which points of a grid an outline encloses an odd number of times: bool, (len(y), len(x))."""
    inside = np.zeros((len(y), len(x)), dtype=bool)
    ends = np.roll(polygon, -1, axis=0)
    for (ax, ay), (bx, by) in zip(polygon.tolist(), ends.tolist(), strict=True):
        crossed = (ay <= y) != (by <= y)
        if crossed.any():
            places = ax + (y - ay) * ((bx - ax) / (by - ay))
            inside ^= crossed[:, None] & (x < places[:, None])
    return inside

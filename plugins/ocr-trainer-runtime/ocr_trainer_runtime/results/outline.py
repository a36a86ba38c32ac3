"""Outlines in whole pixels, as result files require them: polygons, convex hulls and boxes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word


Outline = np.ndarray
"""int64, (points, 2)."""


def outline(word: Word, page: Page) -> Outline:
    """Return a word's polygon rounded to whole pixels and clipped to the image."""
    points: Outline = np.rint(word.polygon).clip((0, 0), (page.width, page.height)).astype(np.int64)
    return points


def hull(outlines: Iterable[Outline]) -> Outline:
    """Return the convex hull of outlines, clockwise (y points down), starting at its leftmost point.

    Monotone chain: A. M. Andrew, "Another efficient algorithm for convex hulls in two dimensions", 1979.
    """
    points = np.unique(np.concatenate(list(outlines)), axis=0).tolist()
    if len(points) < 3:
        return np.array(points, dtype=np.int64)
    upper, lower = _chain(points), _chain(points[::-1])
    return np.array(upper[:-1] + lower[:-1], dtype=np.int64)


def _chain(points: list[list[int]]) -> list[list[int]]:
    """Return the points of one side of the hull: those where the path turns right (y points down)."""
    chain: list[list[int]] = []
    for x, y in points:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            chain.pop()
        chain.append([x, y])
    return chain


def box(points: Outline) -> tuple[int, int, int, int]:
    """Return the bounding box as left, top, right, bottom."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom

"""Random regions of an image whose borders cut no text.

The algorithm is that of `random_crop_data.py` of Liao et al., "Real-time Scene Text Detection with
Differentiable Binarization", AAAI 2020, which is derived from EAST. Unlike theirs, it also uses the gap after
the last text.
"""

from __future__ import annotations

import numpy as np

from ocr_trainer.data.types import Polygon

TRIES = 10
LEAST_SHARE = 0.1
"""A region has at least this share of the width and of the height."""


def whole_region(
    extent: np.ndarray, texts: list[Polygon], with_text: bool, rng: np.random.Generator
) -> np.ndarray:
    """Choose a region such that each text lies entirely inside or entirely outside of it.

    A border lies where a line through the whole image meets no text. All gaps between texts have the same
    probability, whether they are wide or narrow.

    Args:
        extent: (2, 2), the area to choose from, in pixels: [[left, top], [right, bottom]].
        texts: Outlines, each (points, 2), in pixels.
        with_text: Whether the region must contain a text.
        rng: Draws the borders.

    Returns:
        The region's left top and right bottom, (2, 2), or all of `extent` after `TRIES` failures.
    """
    boxes = np.array([[polygon.min(axis=0), polygon.max(axis=0)] for polygon in texts]).reshape(-1, 2, 2)
    gaps = [_gaps(extent[0, axis], extent[1, axis], boxes[:, :, axis]) for axis in (0, 1)]
    if not all(gaps):
        return extent
    least = LEAST_SHARE * (extent[1] - extent[0])
    for _ in range(TRIES):
        low, high = np.transpose([_borders(gaps[axis], rng) for axis in (0, 1)])
        inside = (boxes[:, 1] > low).all(axis=1) & (boxes[:, 0] < high).all(axis=1)
        if (high - low >= np.maximum(least, 1)).all() and (inside.any() or not with_text):
            return np.stack([low, high])
    return extent


def _gaps(low: float, high: float, spans: np.ndarray) -> list[np.ndarray]:
    """Return the integers from `low` to `high` that lie within no span, as runs of consecutive numbers."""
    places = np.arange(np.ceil(low), np.floor(high) + 1)
    free = np.ones(len(places), dtype=bool)
    for start, end in spans:
        free[np.searchsorted(places, start, "right") : np.searchsorted(places, end, "left")] = False
    runs = np.split(places[free], np.flatnonzero(np.diff(places[free]) > 1) + 1)
    return [run for run in runs if len(run)]


def _borders(gaps: list[np.ndarray], rng: np.random.Generator) -> list[float]:
    """Draw two positions, each from a random gap, in ascending order."""
    return sorted(float(rng.choice(gaps[rng.integers(len(gaps))])) for _ in range(2))

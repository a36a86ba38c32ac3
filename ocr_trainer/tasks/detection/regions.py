"""Where to cut an image without cutting a text, after DBNet's authors.

Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020; their
`random_crop_data.py`, which goes back to EAST. Unlike theirs, the gap after the last text is used, too.
"""

from __future__ import annotations

import numpy as np

from ocr_trainer.data.types import Polygon

TRIES = 10
LEAST_SHARE = 0.1
"""Of the width and of the height: a region is no smaller."""


def whole_region(
    extent: np.ndarray, texts: list[Polygon], with_text: bool, rng: np.random.Generator
) -> np.ndarray:
    """Choose a region that every text lies wholly inside of or wholly outside of.

    A border may lie where a line through the whole image meets no text. It is drawn from the gaps between
    texts with the same chance for each gap, wide or narrow.

    Args:
        extent: (2, 2), what there is to choose from: [[left, top], [right, bottom]].
        texts: Outlines, each (points, 2).
        with_text: Whether the region must hold a text.
        rng: What chance is drawn from.

    Returns:
        The region's left top and right bottom, (2, 2); all of `extent` where no region was found.
    """
    boxes = np.array([[polygon.min(axis=0), polygon.max(axis=0)] for polygon in texts]).reshape(-1, 2, 2)
    gaps = [_gaps(*extent[:, axis], boxes[:, :, axis]) for axis in (0, 1)]
    if not all(gaps):
        return extent
    least = LEAST_SHARE * (extent[1] - extent[0])
    for _ in range(TRIES):
        low, high = np.transpose([_borders(gaps[axis], rng) for axis in (0, 1)])
        held = (boxes[:, 1] > low).all(axis=1) & (boxes[:, 0] < high).all(axis=1)
        if (high - low >= np.maximum(least, 1)).all() and (held.any() or not with_text):
            return np.stack([low, high])
    return extent


def _gaps(low: float, high: float, spans: np.ndarray) -> list[np.ndarray]:
    """Return the whole numbers that lie within no span, in runs without a break."""
    places = np.arange(np.ceil(low), np.floor(high) + 1)
    free = np.ones(len(places), dtype=bool)
    for start, end in spans:
        free[np.searchsorted(places, start, "right") : np.searchsorted(places, end, "left")] = False
    runs = np.split(places[free], np.flatnonzero(np.diff(places[free]) > 1) + 1)
    return [run for run in runs if len(run)]


def _borders(gaps: list[np.ndarray], rng: np.random.Generator) -> list[float]:
    """Draw two places, each from a gap drawn before, in order."""
    return sorted(float(rng.choice(gaps[rng.integers(len(gaps))])) for _ in range(2))

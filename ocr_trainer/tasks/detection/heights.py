"""The heights of the texts that a detector was trained on, and texts that are too small for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from ocr_trainer.data.types import GroundTruth, Polygon

KEY = "text_heights"
"""Their place in a checkpoint."""
HIGHEST = 256
"""Higher texts count as this high, in pixels."""
SMALL = 0.01
"""Texts lower than this share of those in training are smaller than what the model has learned."""
ENOUGH = 100
"""The least number of texts to tell from."""
HALF = 0.5
"""A page without any detection is suspicious if the model sees it at less than this scale."""
MANY = 0.05
"""The share of texts that may be too small before a test says so."""


def heights(polygons: Sequence[Polygon]) -> np.ndarray:
    """Return the short side of the smallest rectangle around each polygon: float, (polygons,)."""
    points = (np.ascontiguousarray(polygon, dtype=np.float32) for polygon in polygons)
    return np.array([min(cv2.minAreaRect(outline)[1]) for outline in points]).reshape(-1)


def count_heights(polygons: Sequence[Polygon], ignore: np.ndarray) -> np.ndarray:
    """Return how many texts have each height in whole pixels, without "don't care": int64, (HIGHEST + 1,)."""
    cared = [polygon for polygon, ignored in zip(polygons, ignore, strict=True) if not ignored]
    whole = np.minimum(np.rint(heights(cared)), HIGHEST).astype(np.int64)
    return np.bincount(whole, minlength=HIGHEST + 1)


def least_learned(saved: Mapping[str, Any] | np.ndarray) -> int | None:
    """Return the least height that a model has learned, in pixels of its images; None if it is not known.

    Args:
        saved: The counts, or what a checkpoint says about its training.
    """
    counts = np.asarray(saved.get(KEY, ()) if isinstance(saved, Mapping) else saved)
    if counts.ndim != 1 or counts.sum() < ENOUGH:
        return None
    return int(np.searchsorted(np.cumsum(counts), SMALL * counts.sum(), side="right"))


def warn_of_small_texts(found: Sequence[Polygon], scale: float, least: int | None) -> list[str]:
    """Return a warning if the texts of a page are likely smaller than what the model has learned.

    Args:
        found: What the model found, in pixels of the page.
        scale: The factor from the page to the model's image.
        least: The least height that it has learned, in pixels of its images.
    """
    if least is None or scale >= 1:
        return []
    small = np.median(heights(found)) * scale < least if found else scale < HALF
    if not small:
        return []
    return [
        f"the model sees the page at {scale:.0%} of its size: texts lower than {least / scale:.0f} pixels are"
        f" smaller there than what it has learned ({least} pixels)"
    ]


def count_small(truth: GroundTruth, least: int) -> int:
    """Return how many texts of a page are lower than what the model has learned."""
    cared = [p for p, ignored in zip(truth.polygons, truth.ignore, strict=True) if not ignored]
    scaled = [polygon * np.array(truth.scale) for polygon in cared]
    return int(np.count_nonzero(np.rint(heights(scaled)) < least))

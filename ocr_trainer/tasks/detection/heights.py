"""The heights of the texts that a detector was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocr_trainer.data.types import GroundTruth, Polygon
from ocr_trainer_runtime.detection.heights import heights

KEY = "text_heights"
"""Their place in a checkpoint."""
HIGHEST = 256
"""Higher texts count as this high, in pixels."""
SMALL = 0.01
"""Texts lower than this share of those in training are smaller than what the model has learned."""
ENOUGH = 100
"""The least number of texts to tell from."""
MANY = 0.05
"""The share of texts that may be too small before a test says so."""


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


def count_small(truth: GroundTruth, least: int) -> int:
    """Return how many texts of a page are lower than what the model has learned."""
    cared = [p for p, ignored in zip(truth.polygons, truth.ignore, strict=True) if not ignored]
    scaled = [polygon * np.array(truth.scale) for polygon in cared]
    return int(np.count_nonzero(np.rint(heights(scaled)) < least))

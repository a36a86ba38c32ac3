"""Texts that are too small for a detector."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ocr_trainer_runtime.types import Polygon

HALF = 0.5
"""A page without any detection is suspicious if the model sees it at less than this scale."""


def heights(polygons: Sequence[Polygon]) -> np.ndarray:
    """Return the short side of the smallest rectangle around each polygon: float, (polygons,)."""
    points = (np.ascontiguousarray(polygon, dtype=np.float32) for polygon in polygons)
    return np.array([min(cv2.minAreaRect(outline)[1]) for outline in points]).reshape(-1)


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

"""Data types of pages: images, outlines, what was found and what was read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Image = np.ndarray
"""uint8 of shape (height, width, 3), RGB."""
Polygon = np.ndarray
"""float32 of shape (points, 2): x to the right, y down, in pixels. At least 3 points, not closed."""


@dataclass(slots=True)
class Detections:
    """Text regions that a detector found in one image."""

    polygons: list[Polygon]
    scores: np.ndarray
    """float32 of shape (polygons,), 0 to 1."""
    warnings: list[str] = field(default_factory=list)
    """Messages for the user, for example that a limit was reached."""


@dataclass(slots=True)
class Recognition:
    """Text that a recognizer read in one image."""

    text: str
    """In logical order; every character is in the charset."""
    scores: np.ndarray
    """float32 of shape (characters,), 0 to 1: one score per character of `text`."""
    score: float
    """Probability of the whole text as the model sees it, 0 to 1. It falls with the length of the text."""

    @property
    def confidence(self) -> float:
        """Confidence in the whole text, 0 to 1: the mean of those in its characters.

        Unlike the probability of the text, it does not fall with its length, and it tells texts that were
        read right from others slightly better. If the text is empty, it is the probability of that.
        """
        mean = float(np.mean(self.scores, dtype=np.float64)) if len(self.scores) else float(self.score)
        return min(max(mean, 0.0), 1.0)

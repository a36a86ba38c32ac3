"""Counts of matches that are worth more or less than 1, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Self

from ocr_trainer.metrics.base import Metric, rates


@dataclass(frozen=True)
class MatchCounts:
    """Counts behind the score of one image; the counts of several images add up."""

    recalled: float = 0.0
    """What the matches are worth on the side of the ground truth."""
    precise: float = 0.0
    """What they are worth on the side of the detections."""
    cared_truths: int = 0
    """Ground-truth polygons that are not don't-care."""
    cared_detections: int = 0
    """Detections that are not dropped for lying in a don't-care region."""

    def __add__(self, other: MatchCounts) -> MatchCounts:
        return MatchCounts(
            *(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        )

    @property
    def recall(self) -> float:
        """Worth of the matches per truth; 0 without ground truth."""
        return self.recalled / self.cared_truths if self.cared_truths else 0.0

    @property
    def precision(self) -> float:
        """Worth of the matches per detection; 0 without detections."""
        return self.precise / self.cared_detections if self.cared_detections else 0.0

    @property
    def hmean(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are 0."""
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


class MatchMetric(Metric):
    """A metric whose counts are `MatchCounts`."""

    def __init__(self) -> None:
        self.counts = MatchCounts()

    def merge(self, other: Self) -> None:
        """Add the counts of another instance."""
        self.counts += other.counts

    def compute(self) -> Mapping[str, float]:
        """Return precision, recall and hmean."""
        return rates(self.counts)

"""The metric of recognized texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ocr_trainer.data.types import Recognition, TextGroundTruth
from ocr_trainer.metrics.base import Metric
from ocr_trainer.metrics.text import TextTally


class Text(Metric):
    """Word accuracies, error rates and edit distances; see `ocr_trainer.metrics.text`."""

    def __init__(self) -> None:
        self.tally, self.empty = TextTally(), 0

    def update(self, prediction: Recognition, target: TextGroundTruth) -> None:
        """Count one text."""
        self.tally.add(target.text, prediction.text)
        self.empty += not prediction.text

    def merge(self, other: Self) -> None:
        """Add the counts of another instance."""
        self.tally += other.tally
        self.empty += other.empty

    def compute(self) -> Mapping[str, float]:
        """Return the scores of `TextTally.scores`."""
        return self.tally.scores()

    def details(self) -> Mapping[str, Any]:
        """Return the scores by length and by character, and the confusions."""
        return self.tally.details()

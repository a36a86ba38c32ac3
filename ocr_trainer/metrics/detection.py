"""The main metric of detections, with its breakdowns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ocr_trainer.data.types import Detections, GroundTruth
from ocr_trainer.metrics.base import Metric, rates
from ocr_trainer.metrics.tally import Tally, tally_image


class Icdar(Metric):
    """One-to-one matches at an IoU above 0.5; see `ocr_trainer.metrics.icdar`."""

    def __init__(self) -> None:
        self.tally = Tally()

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        self.tally += tally_image(target, prediction)

    def merge(self, other: Self) -> None:
        """Add the counts of another instance."""
        self.tally += other.tally

    def compute(self) -> Mapping[str, float]:
        """Return precision, recall and hmean."""
        return rates(self.tally.icdar)

    def details(self) -> Mapping[str, Any]:
        """Return the scores by text height, aspect ratio and score threshold."""
        return self.tally.details()

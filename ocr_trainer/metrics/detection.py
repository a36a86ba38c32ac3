"""The metrics of detections: ICDAR's, CLEval, DetEval and TIoU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ocr_trainer.data.types import Detections, GroundTruth
from ocr_trainer.metrics import cleval, deteval, icdar, tiou
from ocr_trainer.metrics.base import Metric
from ocr_trainer.metrics.match_counts import MatchCounts
from ocr_trainer.metrics.tally import Tally, tally_image


def rates(counts: icdar.Counts | cleval.Tally | MatchCounts) -> dict[str, float]:
    """Return precision, recall and hmean by name."""
    return {"precision": counts.precision, "recall": counts.recall, "hmean": counts.hmean}


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


class Cleval(Metric):
    """CLEval of detections whose texts are not known; see `ocr_trainer.metrics.cleval`."""

    def __init__(self) -> None:
        self.tally, self.texts = cleval.Tally(), 0

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        texts = [text or None for text in target.texts]  # an empty text is not known
        counts = cleval.evaluate(target.polygons, texts, target.ignore, prediction.polygons)
        self.tally += counts.detection
        self.texts += sum(map(bool, target.texts))

    def merge(self, other: Self) -> None:
        """Add the counts of another instance."""
        self.tally += other.tally
        self.texts += other.texts

    def compute(self) -> Mapping[str, float]:
        """Return precision, recall and hmean, if any text is known."""
        return rates(self.tally) if self.texts else {}


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


class DetEval(MatchMetric):
    """DetEval; see `ocr_trainer.metrics.deteval`."""

    def __init__(self, rules: deteval.Rules = deteval.RULES) -> None:
        super().__init__()
        self.rules = rules

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        self.counts += deteval.evaluate(target.polygons, target.ignore, prediction.polygons, self.rules)


class Tiou(MatchMetric):
    """TIoU; see `ocr_trainer.metrics.tiou`."""

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        self.counts += tiou.evaluate(target.polygons, target.ignore, prediction.polygons)

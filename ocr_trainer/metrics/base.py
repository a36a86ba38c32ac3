"""`Metric`, the base class of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self


class Metric(ABC):
    """Counts predictions against the ground truth, one image after another, and computes scores from that.

    A new instance has counted nothing. Images are counted in threads and processes, each with a copy of its
    own, and the copies are merged. So an instance must be picklable, and counting in parts must give what
    counting at once gives. An exception costs the scores of a validation, never the run.
    """

    @abstractmethod
    def update(self, prediction: Any, target: Any) -> None:
        """Count one image. Change neither argument: other metrics get them, too.

        Args:
            prediction: `ocr_trainer.data.types.Detections`, or `Recognition` in recognition.
            target: `GroundTruth`, or `TextGroundTruth`. Polygons of both are in pixels of the original image.
        """

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add what another instance has counted. It must not be changed."""

    @abstractmethod
    def compute(self) -> Mapping[str, float]:
        """Return the scores by name, of those that the plugin lists in `scores`.

        A score that has no value, for lack of texts perhaps, is left out.
        """

    def details(self) -> Mapping[str, Any]:
        """Return a breakdown of the scores for report.json, as plain values by name."""
        return {}


class Rates(Protocol):
    """Counts that precision, recall and their harmonic mean follow from."""

    @property
    def precision(self) -> float:
        """Share of the detections that are right."""

    @property
    def recall(self) -> float:
        """Share of the ground truth that is found."""

    @property
    def hmean(self) -> float:
        """Harmonic mean of the two."""


def rates(counts: Rates) -> dict[str, float]:
    """Return precision, recall and hmean by name."""
    return {"precision": counts.precision, "recall": counts.recall, "hmean": counts.hmean}

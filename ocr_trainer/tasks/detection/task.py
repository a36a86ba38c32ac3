"""Training and scoring a detector: ICDAR's IoU protocol and CLEval, the same for every model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ocr_trainer.data.geometry import resize_points
from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.types import Batch, GroundTruth, Image
from ocr_trainer.errors import DataError
from ocr_trainer.tasks.base import LearningTask, half_area
from ocr_trainer.tasks.detection import data
from ocr_trainer.tasks.detection.config import DetectionConfig
from ocr_trainer.tasks.detection.detector import Detector

if TYPE_CHECKING:
    from ocr_trainer.tasks.detection.tally import Tally

Shown = tuple[Tensor, GroundTruth, Future[Any]]
"""The pixels of an image that is to be drawn, its labels, and what was found."""


class DetectionTask(LearningTask[DetectionConfig]):
    """Trains a detector and scores it by ICDAR's IoU protocol and by CLEval."""

    monitor = "val/hmean"
    model_type = Detector
    found = "detections"
    training_loader = staticmethod(data.training_loader)
    scoring_loader = staticmethod(data.scoring_loader)
    calibration_loader = staticmethod(data.calibration_loader)

    tally: Tally | None = None
    """What the latest scores were made of."""

    def calibrate(
        self, val: DataLoader[Any], device: torch.device, precision: Callable[[], AbstractContextManager[Any]]
    ) -> dict[str, Any] | None:
        """Choose thresholds, and what the model offers to choose."""
        from ocr_trainer.tasks.detection.calibrate import calibrate

        calibration = calibrate(self.model, val, device, precision)
        return calibration.to_dict() if calibration is not None else None

    def calibration_gain(self, calibration: dict[str, Any]) -> str:
        """Return the hmean of the validation images before and after calibration."""
        return f"val/hmean {calibration['hmean_before']:.4f} to {calibration['hmean_after']:.4f}"

    @staticmethod
    def memory_hints(run: DetectionConfig, training: bool) -> Iterator[tuple[str, bool]]:
        """Suggest smaller crops in training."""
        if training and (crop := half_area(run.augment.crop)):
            yield f"augment.crop={crop} (smaller images)", False

    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on a batch and return the parts of its loss."""
        parts: dict[str, Tensor] = self.model.loss(self.model(batch.images), batch.targets)
        return parts

    def check_batch(self, batch: Batch) -> None:
        """Refuse images that the network cannot take, and targets that are not one per image."""
        stride = self.model.stride
        height, width = batch.images.shape[-2:]
        if height % stride or width % stride:
            raise DataError(f"images of {width} x {height} pixels: the model needs multiples of {stride}")
        if not batch.targets:
            raise DataError("the model's encode makes no targets: there is nothing to learn from")
        for name, target in batch.targets.items():
            if len(target) != len(batch):
                raise DataError(f"the target '{name}' has {len(target)} rows for {len(batch)} images")

    def unlearned(self, batch: Batch) -> str | None:
        """Say so if none of the texts leaves a mark in the targets."""
        if self.model.positives(batch.targets) != 0:
            return None
        return (
            f"the first batch with text shows {batch.texts} texts, but nothing of them is learned: "
            "are they too small for the model, at this augment.scale?"
        )

    def begin(self) -> None:
        """Begin the scores anew."""
        from ocr_trainer.tasks.detection.scoring import Scorer

        self.scorer = Scorer(self.model)
        self.shown: list[Shown] = []
        self.latest: tuple[dict[str, Tensor], GroundTruth] | None = None

    def score_batch(self, batch: Batch) -> None:
        """Run the network; the scorer decodes and counts beside it."""
        outputs = self.model(batch.images)
        scored = self.scorer.add(outputs, batch.ground_truths)
        # Of the latest image alone, to explain a score near zero by.
        self.latest = {name: value[-1:] for name, value in outputs.items()}, batch.ground_truths[-1]
        for place, (truth, future) in enumerate(zip(batch.ground_truths, scored, strict=True)):
            if len(self.shown) < self.wanted:
                self.shown.append((batch.images[place].cpu(), truth, future))

    def score(self, split: str) -> dict[str, float]:
        """Wait for the last images; return precision, recall and hmean."""
        from ocr_trainer.tasks.detection.diagnosis import diagnose

        self.tally = all_reduce_sum(self.scorer.finish())
        if warnings := self.scorer.warnings:
            more = f" (and {len(warnings) - 1} more such warnings)" if len(warnings) > 1 else ""
            self.print(f"{warnings[0]}{more}")
        self.diagnosis = diagnose(self.tally, self.model, *self.latest) if self.latest else None
        self.pictures = [(_picture(*shown), shown[1].source) for shown in self.shown]
        return self.tally.scores()

    def details(self) -> dict[str, Any] | None:
        """Return the scores by height, aspect and threshold."""
        return self.tally.details() if self.tally is not None else None

    def highlights(self) -> dict[str, str]:
        """Return the scores by height in a row."""
        heights = (self.details() or {}).get("by_height", ())
        told = ", ".join(f"{row['from']:g}+ px {row['hmean']:.2f}" for row in heights)
        return {"hmean by height": told} if told else {}


def _picture(pixels: Tensor, truth: GroundTruth, scored: Future[Any]) -> Image:
    """Draw what was found, at the size the model saw."""
    from ocr_trainer.results.draw import draw

    found, _ = scored.result()
    height, width = truth.size
    fx, fy = truth.scale
    return draw(
        np.ascontiguousarray(pixels[:, :height, :width].permute(1, 2, 0).numpy()),
        resize_points(found.polygons, fx, fy),
        scores=found.scores,
        truth=resize_points(truth.polygons, fx, fy),
        truth_ignore=truth.ignore,
    )


TASK = DetectionTask
"""What `ocr_trainer.tasks.base.task_class` looks for in the module of a task."""

"""Training and scoring of detectors: ICDAR's IoU protocol and CLEval, for every model alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.types import Batch, GroundTruth, Image
from ocr_trainer.errors import DataError
from ocr_trainer.metrics.detection import Icdar
from ocr_trainer.tasks.base import LearningTask, half_area
from ocr_trainer.tasks.detection import data
from ocr_trainer.tasks.detection.config import DetectionConfig
from ocr_trainer.tasks.detection.detector import Detector
from ocr_trainer.tasks.detection.heights import HIGHEST, KEY, MANY, count_small, least_learned
from ocr_trainer_runtime.geometry import resize_points

if TYPE_CHECKING:
    from ocr_trainer.tasks.detection.scoring import Scored

ToDraw = tuple[Tensor, GroundTruth, Future["Scored"]]
"""A page to draw, uint8, (tiles, 3, height, width), its labels, and the result of scoring it."""


class DetectionTask(LearningTask[DetectionConfig]):
    """Trains a detector and scores it by ICDAR's IoU protocol and by CLEval."""

    model_type = Detector
    image_key = "detections"
    training_loader = staticmethod(data.training_loader)
    scoring_loader = staticmethod(data.scoring_loader)
    calibration_loader = staticmethod(data.calibration_loader)

    def __init__(self, model: Any, run: DetectionConfig, folder: Path, samples: int) -> None:
        super().__init__(model, run, folder, samples)
        self.text_heights = np.zeros(HIGHEST + 1, dtype=np.int64)
        """How many texts of each height were trained on so far, in pixels as the model sees them."""
        self.small_texts = ""
        """That texts of the latest test are too small for the model, if they are."""

    def training_step(self, batch: Batch, _index: int) -> Tensor | None:
        """Return the loss of a batch, and count the heights of its texts."""
        if batch.heights is not None:
            self.text_heights = self.text_heights + batch.heights
        return super().training_step(batch, _index)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the heights of the texts so far."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["ocr_trainer"][KEY] = self.text_heights.tolist()

    def restore_training(self, saved: Mapping[str, Any]) -> None:
        """Restore the heights of the texts that were trained on."""
        if KEY in saved:
            self.text_heights = np.array(saved[KEY], dtype=np.int64)

    def calibrate(
        self, val: DataLoader[Any], device: torch.device, precision: Callable[[], AbstractContextManager[Any]]
    ) -> dict[str, Any] | None:
        """Choose the score threshold, and the other decoding options that the model offers."""
        from ocr_trainer.tasks.detection.calibrate import calibrate

        calibration = calibrate(self.model, val, device, precision)
        return calibration.to_dict() if calibration is not None else None

    def calibration_gain(self, calibration: dict[str, Any]) -> str:
        """Return the hmean of the validation images before and after calibration."""
        return f"val/hmean {calibration['hmean_before']:.4f} to {calibration['hmean_after']:.4f}"

    @staticmethod
    def memory_hints(run: DetectionConfig, training: bool) -> Iterator[tuple[str, bool]]:
        """Suggest smaller training crops."""
        if training and (crop := half_area(run.augment.crop)):
            yield f"augment.crop={crop} (smaller images)", False

    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on a batch and return the parts of its loss."""
        parts: dict[str, Tensor] = self.model.loss(self.model(batch.images), batch.targets)
        return parts

    def check_batch(self, batch: Batch) -> None:
        """Refuse image sizes that do not fit the network's stride, and targets that are not one per image."""
        stride = self.model.stride
        height, width = batch.images.shape[-2:]
        if height % stride or width % stride:
            raise DataError(f"images of {width} x {height} pixels: the model needs multiples of {stride}")
        if not batch.targets:
            raise DataError("the model's encode returns no targets: there is nothing to learn from")
        for name, target in batch.targets.items():
            if len(target) != len(batch):
                raise DataError(f"the target '{name}' has {len(target)} rows for {len(batch)} images")

    def unlearned_reason(self, batch: Batch) -> str | None:
        """Return a note if no text of the batch appears in the targets."""
        if self.model.positives(batch.targets) != 0:
            return None
        return (
            f"the first batch with text has {batch.texts} texts, but none of them is in the targets: "
            "are they too small for the model, at this augment.scale?"
        )

    def reset_scores(self) -> None:
        """Start a new scorer."""
        from ocr_trainer.tasks.detection.scoring import Scorer

        self.scorer = Scorer(self.model, self.uncounted)
        self.to_draw: list[ToDraw] = []
        self.latest: tuple[dict[str, Tensor], GroundTruth] | None = None
        self.least, self.small = least_learned(self.text_heights), 0

    def score_batch(self, batch: Batch) -> None:
        """Run the network. The scorer decodes and counts in its threads."""
        from ocr_trainer.tasks.detection.scoring import page_slices, run_network

        outputs = run_network(self.model, batch)
        if self.least is not None:
            self.small += sum(count_small(truth, self.least) for truth in batch.ground_truths)
        scored = self.scorer.add(outputs, batch.ground_truths)
        # The diagnosis of a score near zero decodes this image again.
        last = batch.ground_truths[-1]
        self.latest = {name: value[-last.tiles :] for name, value in outputs.items()}, last
        parts = page_slices(batch.ground_truths)
        for part, truth, future in zip(parts, batch.ground_truths, scored, strict=True):
            if len(self.to_draw) < self.num_images_to_log:
                self.to_draw.append((batch.images[part].cpu(), truth, future))

    def score(self, split: str) -> dict[str, float]:
        """Wait for the last images and return precision, recall and hmean."""
        from ocr_trainer.tasks.detection.diagnosis import diagnose

        scores = self.compute(self.scorer.finish())
        if warnings := self.scorer.warnings:
            more = f" (and {len(warnings) - 1} more such warnings)" if len(warnings) > 1 else ""
            self.print(f"{warnings[0]}{more}")
        small, texts = all_reduce_sum(self.small), all_reduce_sum(self.scored).texts
        if split == "test" and small > MANY * texts:
            self.small_texts = (
                f"{small} of {texts} texts are lower than {self.least} pixels as the model sees them, as are"
                " hardly any of the texts that it was trained on: it will hardly find them"
            )
            self.print(f"{split}: {self.small_texts}")
        icdar = self.metrics.get("icdar")
        self.diagnosis = None
        if isinstance(icdar, Icdar) and self.latest is not None:
            self.diagnosis = diagnose(icdar.tally, self.model, *self.latest)
        self.images = [(_draw(*item), item[1].source) for item in self.to_draw]
        return scores

    def score_notes(self) -> list[str]:
        """Return what was wrong with scores, and whether texts are too small for the model."""
        return [*super().score_notes(), *([self.small_texts] if self.small_texts else [])]

    def highlights(self) -> dict[str, str]:
        """Return hmean by text height, on one line."""
        heights = (self.details() or {}).get("by_height", ())
        line = ", ".join(f"{row['from']:g}+ px {row['hmean']:.2f}" for row in heights)
        return {"hmean by height": line} if line else {}


def _draw(pixels: Tensor, truth: GroundTruth, scored: Future[Scored]) -> Image:
    """Draw detections and labels on an image, at the size that the model saw."""
    from ocr_trainer_runtime.results.draw import draw

    found, _ = scored.result()
    fx, fy = truth.scale
    return draw(
        _page(pixels.permute(0, 2, 3, 1).numpy(), truth),
        resize_points(found.polygons, fx, fy),
        scores=found.scores,
        truth=resize_points(truth.polygons, fx, fy),
        truth_ignore=truth.ignore,
    )


def _page(parts: np.ndarray, truth: GroundTruth) -> Image:
    """Return a page as the model sees it, put together from its tiles: uint8, (height, width, 3)."""
    height, width = truth.tile_size
    if truth.tiling is None:
        return np.ascontiguousarray(parts[0, :height, :width])
    page = np.zeros((*truth.size, 3), dtype=np.uint8)
    axis = 1 - truth.tiling.axis  # rows are y
    for start, part in zip(truth.tiling.starts, parts, strict=True):
        first = min(round(start * truth.scale[truth.tiling.axis]), truth.size[axis] - truth.tile_size[axis])
        place = slice(first, first + truth.tile_size[axis])
        page[(place,) if axis == 0 else (slice(None), place)] = part[:height, :width]
    return page

"""The LightningModule around a detector: optimisation, scores and pictures, the same for every model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocr_trainer.errors import DataError
from ocr_trainer.formats.images import write_image
from ocr_trainer.plugin import Skipped
from ocr_trainer.schema import RunConfig, plain
from ocr_trainer.training import optim
from ocr_trainer.training.checkpoint import FORMAT
from ocr_trainer.training.detection import Detector
from ocr_trainer.training.samples import Batch, Image, Truth

if TYPE_CHECKING:
    from ocr_trainer.training.detection.tally import Tally

Shown = tuple[Tensor, Truth, Future[Any]]
"""The pixels of an image that is to be drawn, its labels, and what was found."""


class DetectionTask(LightningModule):
    """Trains a detector and scores it by ICDAR's IoU protocol and by CLEval."""

    monitor = "val/hmean"
    """The figure by which the best checkpoint is chosen; the higher, the better."""

    def __init__(self, model: Detector, run: RunConfig, folder: Path, images: int) -> None:
        """Keep the model, the run, its folder, and how many images there are to train on (or to test on)."""
        super().__init__()
        self.model = model
        self.run = run
        self.folder = folder
        self.images = images
        self.best_scores: dict[str, float] = {}
        """Of the best validation so far."""
        self.tally: Tally | None = None
        """What the latest scores were made of."""
        self.diagnosis: str | None = None
        """Why the latest score is near zero, if it is."""
        self.skipped: dict[Skipped, None] = {}
        """What could not be read, in the order it was met."""

    def configure_optimizers(self) -> Any:
        """Make the optimiser and its schedule, which goes by the optimiser's steps."""
        optimizer = optim.make_optimizer(self.model, self.run.optimizer)
        scheduler = optim.make_scheduler(
            optimizer, self.run.schedule, self.trainer.estimated_stepping_batches
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def training_step(self, batch: Batch, _index: int) -> Tensor | None:
        """Return the loss of a batch; nothing, which passes the step over, for one without images."""
        self._enter(batch)
        if not len(batch):
            return None
        parts = self.model.loss(self.model(batch.images), batch.targets)
        loss = torch.stack(list(parts.values())).sum()
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/lr", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        self.log_dict({f"train/{name}": value for name, value in parts.items()})
        return loss

    def _enter(self, batch: Batch) -> None:
        """Account for what could not be read; stop if it is too much."""
        if not batch.skipped:
            return
        self.skipped |= dict.fromkeys(batch.skipped)
        images = [entry for entry in self.skipped if entry.what == "image"]
        # One image alone never stops a run that has begun.
        if len(images) > max(1.0, self.run.data.max_skipped * self.images):
            listed = "\n".join(f"  {entry}" for entry in images[:10])
            raise DataError(
                f"{len(images)} images cannot be read, more than data.max_skipped="
                f"{self.run.data.max_skipped:g} of {self.images}:\n{listed}"
            )

    def on_validation_epoch_start(self) -> None:
        """Begin the scores anew; draw pictures only if somebody takes them."""
        self._begin(any(hasattr(logger, "log_image") for logger in self.trainer.loggers))

    def on_test_epoch_start(self) -> None:
        """Begin the scores anew."""
        self._begin(draw=True)

    def _begin(self, draw: bool) -> None:
        from ocr_trainer.training.detection.scoring import Scorer

        self.scorer = Scorer(self.model)
        self.wanted = self.run.data.pictures if draw and not self.trainer.sanity_checking else 0
        self.shown: list[Shown] = []
        self.latest: tuple[dict[str, Tensor], Truth] | None = None

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Run the network; the scorer decodes and counts beside it."""
        self._enter(batch)
        if not len(batch):
            return
        outputs = self.model(batch.images)
        scored = self.scorer.add(outputs, batch.truths)
        # Of the latest image alone, to explain a score near zero by.
        self.latest = {name: value[-1:] for name, value in outputs.items()}, batch.truths[-1]
        for place, (truth, future) in enumerate(zip(batch.truths, scored, strict=True)):
            if len(self.shown) < self.wanted:
                self.shown.append((batch.images[place].cpu(), truth, future))

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the whole split, and the pictures."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores over the whole split; leave the pictures in the run's folder."""
        self._finish("test")
        if self.pictures and self.trainer.is_global_zero:
            write_pictures(self.folder / "pictures", [picture for picture, _ in self.pictures])

    def _finish(self, split: str) -> None:
        from ocr_trainer.training.detection.diagnosis import diagnose
        from ocr_trainer.training.detection.scoring import gathered

        self.tally = gathered(self.scorer.finish())
        scores = {f"{split}/{name}": value for name, value in self.tally.scores().items()}
        if (
            split == "val"
            and not self.trainer.sanity_checking
            and self.tally.icdar.hmean >= self.best_scores.get(self.monitor, 0.0)
        ):
            self.best_scores = scores
        # Every process has the sum already.
        self.log_dict(scores, rank_zero_only=False)
        if warnings := self.scorer.warnings:
            more = f" (and {len(warnings) - 1} more such warnings)" if len(warnings) > 1 else ""
            self.print(f"{warnings[0]}{more}")
        self.diagnosis = diagnose(self.tally, self.model, *self.latest) if self.latest else None
        if self.diagnosis and not self.trainer.sanity_checking:
            self.print(f"{split}: {self.diagnosis}")
        self.pictures = [(_picture(*shown), shown[1].source) for shown in self.shown]
        if self.pictures:
            images, captions = zip(*self.pictures, strict=True)
            for logger in self.trainer.loggers:
                if hasattr(logger, "log_image"):
                    logger.log_image(
                        f"{split}/detections", list(images), step=self.global_step, caption=list(captions)
                    )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put in what rebuilds the model: names and plain values."""
        # What only the beginning needed must not be needed again.
        lasting = replace(self.run, model=self.run.model.lasting(), init_from=None)
        checkpoint["ocr_trainer"] = {"format": FORMAT, "config": plain(lasting)}


def _picture(pixels: Tensor, truth: Truth, scored: Future[Any]) -> Image:
    """Draw what was found, at the size the model saw."""
    from ocr_trainer.training.detection.augment import resize_points
    from ocr_trainer.training.draw import draw

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


def write_pictures(folder: Path, pictures: Sequence[Image]) -> None:
    """Write pictures as 1.png, 2.png, …"""
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures, start=1):
        write_image(folder / f"{number}.png", picture)

"""The `LightningModule` around a model: training and scoring steps that every task shares.

`task_class` maps a task to its class. A task's class is imported only when a run needs it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import plain
from ocr_trainer.config.scores import chosen_metrics, monitor_of
from ocr_trainer.data.images import write_image
from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.seeding import seed_generators
from ocr_trainer.data.types import Batch, Image, Scored
from ocr_trainer.errors import DataError
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.optim.freeze import freeze
from ocr_trainer.optim.optimizer import check_state_fits, make_optimizer
from ocr_trainer.optim.schedule import make_scheduler
from ocr_trainer.plugin import Kind, SkippedItem, Task, discovery
from ocr_trainer.runs.identity import read_identity
from ocr_trainer.tasks.interface import R, TaskInterface
from ocr_trainer_runtime.text.visible import visible

SIDE_MULTIPLE = 32
"""The stride of most networks: suggested image sizes are multiples of it."""

log = logging.getLogger("ocr_trainer")

LOGGED = frozenset({"loss", "lr"})
"""What training logs of every model, after `train/`."""


CaptionedImage = tuple[Image, str]
"""An image, uint8, (height, width, 3), RGB, and its caption."""


def task_class(task: Task) -> type[LearningTask[Any]]:
    """Return the class that trains a task, which the description of its plugin names.

    Raises:
        PluginError: No task plugin has that name, or it cannot be used.
    """
    cls: Any = discovery.resolve(Kind.task, task.value)
    if isinstance(cls, type) and issubclass(cls, LearningTask):
        missing = [name for name in ("model_type", "image_key") if not hasattr(cls, name)]
        reason = f"{cls.__name__} lacks {' and '.join(missing)}" if missing else ""
    else:
        reason = "its factory is not a class derived from ocr_trainer.tasks.base.LearningTask"
    if reason:
        raise discovery.broken(discovery.find(Kind.task, task.value), reason)
    learning_task: type[LearningTask[Any]] = cls
    return learning_task


class LearningTask(LightningModule, TaskInterface[R]):
    """Trains a model and scores it. A task's subclass defines its batches, scores and images.

    Args:
        model: An instance of `model_type`.
        run: The run's configuration.
        folder: The run directory.
        samples: The number of samples to train on, or to test on.
    """

    def __init__(self, model: Any, run: R, folder: Path, samples: int) -> None:
        super().__init__()
        self.model = model
        self.run = run
        self.folder = folder
        self.samples = samples
        self.uncounted = build_metrics(run, run_context(run, folder))
        """The metrics of the run. They count nothing themselves, only copies do."""
        self.metrics = self.uncounted
        """The metrics of the latest validation or test."""
        self.score_faults: dict[str, int] = {}
        """What is wrong with scores, and in how many validations and tests it was."""
        self.monitor = monitor_of(run)
        """The score that chooses the best checkpoint."""
        if self.headline:
            added = (metric for metric in chosen_metrics(run) if metric.name not in run.METRICS)
            names = (name for metric in added for name in metric.scores())
            self.headline = (*self.headline, *names, self.monitor.name)
        self.frozen = freeze(model, run.optimizer.freeze)
        """The modules that are not trained."""
        self.latest_scores: dict[str, float] = {}
        """The scores of the latest validation."""
        self.best_scores: dict[str, float] = {}
        """The scores of the best validation so far."""
        self.improved = False
        """Whether the latest validation was the best one so far."""
        self._saved_optimizer: Mapping[str, Any] | None = None
        """The state of the optimizer in the checkpoint that training resumes from."""
        self._saved_step = 0
        self.diagnosis: str | None = None
        """Why the latest score is near zero, if it is."""
        self.scored = Scored()
        """What the latest validation or test counted."""
        self.skipped: dict[Hashable, SkippedItem] = {}
        """Skipped samples and labels, each once, in the order in which they were met."""
        self.images: list[CaptionedImage] = []
        """The images of the latest validation or test, for the loggers."""
        self._batches = 0
        """Training batches of this epoch, if this process has seen its first one."""
        self._losses = 0
        """How many of them gave a loss."""

    def compute(self, counted: MetricCollection) -> dict[str, float]:
        """Merge the metrics of all processes into `metrics`, and return their scores."""
        self.metrics, *others = all_reduce_sum([counted])
        for other in others:
            self.metrics.merge(other)
        scores = self.metrics.compute()
        for failure in self.metrics.failures():
            self._record_fault(failure)
        return scores

    def _record_fault(self, fault: str) -> None:
        """Count what is wrong with a score, and warn once."""
        if fault not in self.score_faults and self.trainer.is_global_zero:
            log.warning("%s\n  the run is not affected", fault)
        self.score_faults[fault] = self.score_faults.get(fault, 0) + 1

    def details(self) -> dict[str, Any] | None:
        """Return the breakdown of the latest scores, for report.json."""
        return self.metrics.details() or None

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules; frozen ones stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, which advances with each optimizer step."""
        context = run_context(self.run, self.folder)
        optimizer = make_optimizer(self.model, self.run, context)
        check_state_fits(optimizer, self._saved_optimizer, self._saved_step)
        self._saved_optimizer = None
        scheduler = make_scheduler(
            optimizer, self.run.schedule, context, self.trainer.estimated_stepping_batches
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the generators by epoch and batch, so that a resumed run draws the same dropout masks."""
        trainer, total = self.trainer, self.trainer.estimated_stepping_batches
        seed_generators(self.run.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        self.begin_step(trainer.global_step, trainer.current_epoch, None if math.isinf(total) else int(total))

    def begin_step(self, step: int, epoch: int, total_steps: int | None) -> None:
        """Call the model's `on_step`, if it has one."""
        if hook := getattr(self.model, "on_step", None):
            hook(step, epoch, total_steps)

    def training_step(self, batch: Batch, index: int) -> Tensor | None:
        """Return the loss of a batch; None, which makes Lightning skip the step, for one without images."""
        self._record_skipped(batch)
        if index == 0:
            self._batches = self._losses = 0
        if index == self._batches:
            self._batches += 1
        if not len(batch):
            return self._no_loss()
        self._losses += 1
        parts = self.loss_parts(batch)
        loss = torch.stack(list(parts.values())).sum()
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/lr", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        self.log_dict({f"train/{name}": value for name, value in {**parts, **self._figures(parts)}.items()})
        return loss

    def _figures(self, parts: dict[str, Tensor]) -> dict[str, Tensor | float]:
        """Return what the model logs beside the parts of its loss.

        Raises:
            PluginBroken: A figure has the name of something else that is logged, or is not one number.
        """
        figures: dict[str, Tensor | float] = getattr(parts, "figures", {})
        for name, value in figures.items():
            if name in parts or name in LOGGED:
                reason = f"has the name of {'a part of it' if name in parts else 'what the core logs'}"
            elif isinstance(value, Tensor) and value.numel() != 1:
                reason = f"must be one number, not a tensor of shape {tuple(value.shape)}"
            elif not isinstance(value, Tensor | int | float):
                reason = f"must be one number, not of type {type(value).__name__}"
            else:
                continue
            found = discovery.find(Kind.model, self.run.model.name)
            raise discovery.broken(found, f"the figure '{name}' of its loss {reason}")
        return figures

    def _no_loss(self) -> Tensor | None:
        """Return the loss of a batch without images."""
        if self.trainer.world_size == 1:
            return None
        # DDP reduces gradients in all processes: this one takes part with zeros, or the others would hang.
        return 0 * torch.stack([p.sum() for p in self.model.parameters() if p.requires_grad]).sum()

    def _record_skipped(self, batch: Batch) -> None:
        """Record the skipped samples of a batch.

        Raises:
            DataError: More are lost than `data.max_skipped` allows.
        """
        if not batch.skipped:
            return
        for entry in batch.skipped:
            self.skipped.setdefault(self.skip_key(entry), entry)
        lost = [entry for entry in self.skipped.values() if entry.what in self.lost_kinds]
        # A single sample never stops a run that has started, however small the dataset.
        if len(lost) > max(1.0, self.run.data.max_skipped * self._samples_so_far()):
            listed = "\n".join(f"  {entry}" for entry in lost[:10])
            raise DataError(
                f"{len(lost)} {self.lost_message}, more than data.max_skipped="
                f"{self.run.data.max_skipped:g} of {self.samples}:\n{listed}"
            )

    def _samples_so_far(self) -> int:
        """Return the number of samples. An endless split has new ones in each epoch, which all count."""
        loader = self.trainer.train_dataloader if self.trainer.training else None
        endless = getattr(getattr(loader, "dataset", None), "endless", False)
        return self.samples * (self.trainer.current_epoch + 1 if endless else 1)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Stop after an epoch without a loss: a run of empty batches would look like training.

        Raises:
            DataError: No batch of the epoch had a sample to learn from, in any process.
        """
        # Lightning counts a step for a batch without a loss, too. In a resumed epoch, the earlier batches
        # are not known.
        if not self.trainer.is_last_batch or self._batches != batch_idx + 1:
            return
        if all_reduce_sum(self._losses) == 0:
            listed = "".join(f"\n  {entry}" for entry in list(self.skipped.values())[:10])
            raise DataError(
                f"epoch {self.trainer.current_epoch + 1} has no sample to learn from: "
                f"{self.no_text_hint}{listed}"
            )

    @property
    def num_images_to_log(self) -> int:
        """The number of images to draw in this validation or test."""
        return self.run.data.log_images if self._draw and not self.trainer.sanity_checking else 0

    def on_validation_epoch_start(self) -> None:
        """Reset the scores. Draw images only if a logger can show them."""
        self._draw = any(hasattr(logger, "log_image") for logger in self.trainer.loggers)
        self.scored = Scored()
        self.reset_scores()

    def on_test_epoch_start(self) -> None:
        """Reset the scores."""
        self._draw = True
        self.scored = Scored()
        self.reset_scores()

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Score a batch, unless no image of it could be read."""
        self._record_skipped(batch)
        if len(batch):
            self.scored = sum(map(Scored.of, batch.ground_truths), self.scored)
            self.score_batch(batch)

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole split, and the images."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores of the whole split, and write the images to the run directory."""
        self._finish("test")
        if self.images and self.trainer.is_global_zero:
            write_images(self.folder / "pictures", [image for image, _ in self.images])

    def print(self, *values: object, **options: Any) -> None:
        """Print values above the progress bar, with their control characters spelled."""
        super().print(*(visible(str(value)) for value in values), **options)

    def score_notes(self) -> list[str]:
        """Return what was wrong with scores, for report.json."""
        return [f"{fault} (times: {count})" for fault, count in self.score_faults.items()]

    def _finish(self, split: str) -> None:
        scores = {f"{split}/{name}": value for name, value in self.score(split).items()}
        self.scored = all_reduce_sum(self.scored)
        if split == "val":
            self._choose(scores)
            # Early stopping needs a value in any case: NaN counts as no improvement.
            scores.setdefault(self.monitor.key, math.nan)
        # `score` has already merged all processes, so Lightning must not reduce again.
        self.log_dict(scores, rank_zero_only=False)
        if self.diagnosis and not self.trainer.sanity_checking:
            self.print(f"{split}: {self.diagnosis}")
        if self.images:
            images, captions = zip(*self.images, strict=True)
            for logger in self.trainer.loggers:
                if hasattr(logger, "log_image"):
                    name = f"{split}/{self.image_key}"
                    logger.log_image(
                        name, list(images), step=self.global_step, caption=[*map(visible, captions)]
                    )

    def _choose(self, scores: dict[str, float]) -> None:
        """Note whether the scores of a validation are the best so far. On a tie, the earlier ones stay."""
        self.improved = False
        if self.trainer.sanity_checking:
            return
        self.latest_scores = dict(scores)
        score = scores.get(self.monitor.key)
        if score is None:
            self._record_fault(f"{self.monitor.key} has no value, so this validation cannot be the best one")
        elif self.monitor.improves(score, self.best_scores.get(self.monitor.key)):
            self.improved, self.best_scores = True, self.latest_scores

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the configuration as plain values, so that the checkpoint can rebuild its model."""
        # Files of initial weights may be gone by the time the checkpoint is used.
        checkpoint.setdefault("ocr_trainer", {}).update(
            format=FORMAT,
            config=plain(self.run.without_init_weights()),
            best_scores=self.best_scores,
            run=read_identity(self.folder),
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the best scores so far."""
        self.best_scores = checkpoint["ocr_trainer"].get("best_scores", {})
        self.restore_training(checkpoint["ocr_trainer"])
        # Lightning asks for the optimizer only after this.
        for state in checkpoint.get("optimizer_states", ()):
            self._saved_optimizer = state
        # The gradient scaler skips the first steps, which leave no state.
        scaled = "MixedPrecision" in checkpoint or checkpoint.get("native_amp_scaling_state")
        skipped = checkpoint.get("callbacks", {}).get("NonfiniteGuard", {}).get("count", 0)
        self._saved_step = 0 if scaled else checkpoint.get("global_step", 0) - skipped


def half_area(side: int) -> int:
    """Return the side, in pixels, that about halves the area: a multiple of `SIDE_MULTIPLE`, or 0."""
    return int(side * 0.7) // SIDE_MULTIPLE * SIDE_MULTIPLE


def write_images(folder: Path, images: list[Image]) -> None:
    """Write images as 1.png, 2.png, … to a folder, which is created if needed."""
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images, start=1):
        write_image(folder / f"{number}.png", image)

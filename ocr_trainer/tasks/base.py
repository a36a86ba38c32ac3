"""The LightningModule around a model: what is the same for every task.

Which class trains which task is written here and nowhere else in the shared part; each is imported
when a run needs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.data.images import write_image
from ocr_trainer.data.seeding import seed_generators
from ocr_trainer.data.split import Split
from ocr_trainer.data.types import Batch, Image
from ocr_trainer.errors import DataError
from ocr_trainer.optim.optimizer import make_optimizer
from ocr_trainer.optim.schedule import make_scheduler
from ocr_trainer.plugin import Context, SkippedItem, Task

if TYPE_CHECKING:
    from ocr_trainer.data.split import Splits

R = TypeVar("R", bound=RunConfig)
"""The configuration class of a task's runs."""

SIDE_MULTIPLE = 32
"""The stride of most networks: suggested image sizes are multiples of it."""

Picture = tuple[Image, str]
"""A picture and its caption."""


def task_class(task: Task) -> type[LearningTask[Any]]:
    """Return the class that trains a task: `TASK` of `ocr_trainer.tasks.<task>.task`."""
    found: type[LearningTask[Any]] = import_module(f"ocr_trainer.tasks.{task.value}.task").TASK
    return found


class LearningTask(LightningModule, ABC, Generic[R]):
    """Trains a model and scores it; a task says what its batches, scores and pictures are."""

    monitor: ClassVar[str]
    """The figure by which the best checkpoint is chosen; the higher, the better."""
    model_type: ClassVar[type[nn.Module]]
    """What the factories of its models return."""
    found: ClassVar[str]
    """What its pictures are called in loggers."""
    headline: ClassVar[tuple[str, ...]] = ()
    """The scores that the screen shows; all of them if none is named. Reports and loggers have all."""
    losses: ClassVar[str] = "images cannot be read"
    """What is said of samples that are lost."""
    without_text: ClassVar[str] = "do the labels lie on the images?"
    """What to look at where no text is learned."""
    counted: ClassVar[frozenset[str]] = frozenset({"image"})
    """Which kinds of `SkippedItem.what` cost a whole sample."""

    def __init__(self, model: Any, run: R, folder: Path, samples: int) -> None:
        """Keep the model, the run, its folder, and how many samples there are to train on (or to test on)."""
        super().__init__()
        self.model = model
        self.run = run
        self.folder = folder
        self.samples = samples
        self.best_scores: dict[str, float] = {}
        """Of the best validation so far."""
        self.diagnosis: str | None = None
        """Why the latest score is near zero, if it is."""
        self.skipped: dict[Hashable, SkippedItem] = {}
        """What could not be read, each once, in the order it was met."""
        self.pictures: list[Picture] = []
        """Of the latest scoring."""

    @classmethod
    def prepare(cls, run: R, context: Context, splits: Splits) -> tuple[R, Context, Splits]:
        """Complete the configuration by what the data decides, before the model is built."""
        return run, context, splits

    @staticmethod
    def adapt_weights(found: dict[str, Tensor], model: Any, saved: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint that take another form in the model that begins with them.

        Args:
            found: The checkpoint's tensors, by name.
            model: The model, freshly built.
            saved: The configuration in the checkpoint.
        """
        return {}

    @staticmethod
    def memory_hints(run: Any, training: bool) -> Iterator[tuple[str, bool]]:
        """Yield options of the task that need less memory, and whether they concern waiting samples only."""
        yield from ()

    @staticmethod
    @abstractmethod
    def training_loader(split: Split[Any], model: Any, run: Any) -> DataLoader[Any]:
        """Return the loader that training draws from."""

    @staticmethod
    @abstractmethod
    def scoring_loader(split: Split[Any], model: Any, run: Any) -> DataLoader[Any]:
        """Return a loader that goes through a split once."""

    @staticmethod
    def calibration_loader(split: Split[Any], model: Any, run: Any) -> DataLoader[Any] | None:
        """Return a loader of the validation images that choose how the model decodes, if any are to."""
        return None

    def calibrate(
        self, val: DataLoader[Any], device: torch.device, precision: Callable[[], AbstractContextManager[Any]]
    ) -> dict[str, Any] | None:
        """Let validation data choose how the model decodes; return what was chosen as a report keeps it."""
        return None

    @abstractmethod
    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on a batch and return the parts of its loss."""

    @abstractmethod
    def check_batch(self, batch: Batch) -> None:
        """Refuse a training batch that the model cannot take.

        Raises:
            DataError: What is wrong with which.
        """

    def unlearned(self, batch: Batch) -> str | None:
        """Say why nothing of a batch that shows text will be learned, if that is so."""
        return None

    @abstractmethod
    def score(self, split: str) -> dict[str, float]:
        """Return the scores of the split that was gone through; set diagnosis and pictures."""

    @abstractmethod
    def details(self) -> dict[str, Any] | None:
        """Return what the latest scores are made of, for report.json."""

    def calibration_gain(self, calibration: dict[str, Any]) -> str:
        """Return how much calibration gained, for the closing table."""
        return ""

    def highlights(self) -> dict[str, str]:
        """Return what of the details the closing table shows."""
        return {}

    def configure_optimizers(self) -> Any:
        """Make the optimizer and its schedule, which goes by the optimizer's steps."""
        optimizer = make_optimizer(self.model, self.run.optimizer)
        scheduler = make_scheduler(optimizer, self.run.schedule, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let what the model draws follow from the place in the run, so that a resumed run draws the same."""
        trainer = self.trainer
        seed_generators(self.run.seed, trainer.current_epoch, batch_idx, trainer.global_rank)

    def training_step(self, batch: Batch, _index: int) -> Tensor | None:
        """Return the loss of a batch; nothing, which passes the step over, for one without images."""
        self._record_skipped(batch)
        if not len(batch):
            return self._no_loss()
        parts = self.loss_parts(batch)
        loss = torch.stack(list(parts.values())).sum()
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/lr", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        self.log_dict({f"train/{name}": value for name, value in parts.items()})
        return loss

    def _no_loss(self) -> Tensor | None:
        """Return what keeps this process in step with others that have images: their gradients are shared."""
        if self.trainer.world_size == 1:
            return None
        return 0 * torch.stack([p.sum() for p in self.model.parameters() if p.requires_grad]).sum()

    def identity(self, entry: SkippedItem) -> Hashable:
        """Return what two entries have in common that are of the same thing, met in several epochs."""
        return entry

    def _record_skipped(self, batch: Batch) -> None:
        """Account for what could not be read; stop if it is too much."""
        if not batch.skipped:
            return
        for entry in batch.skipped:
            self.skipped.setdefault(self.identity(entry), entry)
        lost = [entry for entry in self.skipped.values() if entry.what in self.counted]
        # One sample alone never stops a run that has begun.
        if len(lost) > max(1.0, self.run.data.max_skipped * self.samples):
            listed = "\n".join(f"  {entry}" for entry in lost[:10])
            raise DataError(
                f"{len(lost)} {self.losses}, more than data.max_skipped="
                f"{self.run.data.max_skipped:g} of {self.samples}:\n{listed}"
            )

    def on_train_epoch_end(self) -> None:
        """Stop where nothing could be learned: a run of empty steps would look like a training."""
        if self.trainer.global_step == 0 and self.trainer.current_epoch == 0 and self.skipped:
            listed = "\n".join(f"  {entry}" for entry in list(self.skipped.values())[:10])
            raise DataError(f"the first epoch held nothing that can be learned:\n{listed}")

    @property
    def wanted(self) -> int:
        """How many pictures are to be made."""
        return self.run.data.log_images if self._draw and not self.trainer.sanity_checking else 0

    @abstractmethod
    def begin(self) -> None:
        """Begin the scores anew."""

    def on_validation_epoch_start(self) -> None:
        """Begin the scores anew; draw pictures only if somebody takes them."""
        self._draw = any(hasattr(logger, "log_image") for logger in self.trainer.loggers)
        self.begin()

    def on_test_epoch_start(self) -> None:
        """Begin the scores anew."""
        self._draw = True
        self.begin()

    @abstractmethod
    def score_batch(self, batch: Batch) -> None:
        """Run the model on a batch and count what it found."""

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Score a batch, if anything of it could be read."""
        self._record_skipped(batch)
        if len(batch):
            self.score_batch(batch)

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
        scores = {f"{split}/{name}": value for name, value in self.score(split).items()}
        if split == "val" and not self.trainer.sanity_checking:
            best = self.best_scores.get(self.monitor)
            # Of equals the first, as the checkpoint that is kept.
            if best is None or scores[self.monitor] > best:
                self.best_scores = scores
        # Every process has the sum already.
        self.log_dict(scores, rank_zero_only=False)
        if self.diagnosis and not self.trainer.sanity_checking:
            self.print(f"{split}: {self.diagnosis}")
        if self.pictures:
            images, captions = zip(*self.pictures, strict=True)
            for logger in self.trainer.loggers:
                if hasattr(logger, "log_image"):
                    name = f"{split}/{self.found}"
                    logger.log_image(name, list(images), step=self.global_step, caption=list(captions))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put in what rebuilds the model: names and plain values."""
        # What only the beginning needed must not be needed again.
        without_init_weights = replace(self.run, model=self.run.model.without_init_weights(), init_from=None)
        checkpoint.setdefault("ocr_trainer", {}).update(
            format=FORMAT, config=plain(without_init_weights), best_scores=self.best_scores
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the best scores so far."""
        self.best_scores = checkpoint["ocr_trainer"].get("best_scores", {})


def half_area(side: int) -> int:
    """Return a side that gives about half the area, as a multiple of `SIDE_MULTIPLE`; 0 if there is none."""
    return int(side * 0.7) // SIDE_MULTIPLE * SIDE_MULTIPLE


def write_pictures(folder: Path, pictures: list[Image]) -> None:
    """Write pictures as 1.png, 2.png, …"""
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures, start=1):
        write_image(folder / f"{number}.png", picture)

"""What a task defines: its batches, loss, scores and images.

The methods have the arguments of `LearningTask`, which calls them; `tasks.base` has the training and scoring
steps that every task shares.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.data.split import Split, Splits
from ocr_trainer.data.types import Batch
from ocr_trainer.plugin import Context, SkippedItem

R = TypeVar("R", bound=RunConfig)
"""The configuration class of a task's runs."""


class FitChecker(Protocol):
    """Checks whether a model can learn samples."""

    def __call__(self, sample: Any, name: str) -> Any:
        """Return what is wrong with a sample: an object with its `reason`, or None. Workers call this."""

    def problem(self, found: Sequence[Any], checked: int) -> str | None:
        """Return why a run would refuse the data, from what was found, or None."""


class TaskInterface(ABC, Generic[R]):
    """What a task's subclass of `LearningTask` defines."""

    model_type: ClassVar[type[nn.Module]]
    """The class of the models that this task trains."""
    image_key: ClassVar[str]
    """The key of its images in loggers, after `val/` or `test/`."""
    headline: tuple[str, ...] = ()
    """The scores to show on the screen; empty for all. Reports and loggers always get all."""
    lost_message: ClassVar[str] = "images cannot be read"
    """The words after the number of lost samples in an error message."""
    no_text_hint: ClassVar[str] = "do the labels lie on the images?"
    """What to check if the first batches have no text to learn."""
    lost_kinds: ClassVar[frozenset[str]] = frozenset({"image"})
    """The kinds of `SkippedItem.what` that lose a whole sample."""

    @classmethod
    def prepare(cls, run: R, context: Context, splits: Splits) -> tuple[R, Context, Splits]:
        """Complete the configuration with what the data decides, before the model is built.

        Returns:
            The run, the context and the splits to use.
        """
        return run, context, splits

    @classmethod
    def check_fit(cls, model: Any, run: R, splits: Splits) -> None:
        """Refuse training samples that the model cannot learn, before training.

        Raises:
            DataError: There are more of them than `data.max_skipped` allows.
        """

    @classmethod
    def fit_checker(
        cls, run: R, context: Context, splits: Splits, build: Callable[[R, Context], Any]
    ) -> FitChecker | None:
        """Return what checks the training samples for `check-data`; None for models that take every sample.

        Args:
            run: The configuration.
            context: A context that no run uses.
            splits: The splits, before `prepare`.
            build: Builds the model of a prepared configuration.

        Raises:
            DataError: A run would refuse the data.
        """
        return None

    @staticmethod
    def adapt_weights(weights: dict[str, Tensor], model: Any, saved: Mapping[str, Any]) -> dict[str, Tensor]:
        """Convert tensors of the checkpoint in `init_from` that have another layout in this model.

        Args:
            weights: The checkpoint's tensors, by name.
            model: The newly built model.
            saved: The configuration in the checkpoint.

        Returns:
            The converted tensors only, by name.
        """
        return {}

    @staticmethod
    def memory_hints(run: Any, training: bool) -> Iterator[tuple[str, bool]]:
        """Yield options of the task that save memory, and whether each concerns prefetched samples only."""
        yield from ()

    @staticmethod
    @abstractmethod
    def training_loader(split: Split[Any], model: Any, run: Any, context: Context | None = None) -> Loader:
        """Return the loader of training batches.

        Args:
            split: The samples.
            model: The model that the batches are for.
            run: The run's configuration.
            context: What the factories of plugins get that the loader uses, such as augmentations.
        """

    @staticmethod
    @abstractmethod
    def scoring_loader(split: Split[Any], model: Any, run: Any) -> Loader:
        """Return a loader that yields each sample of a split once."""

    @staticmethod
    def calibration_loader(split: Split[Any], model: Any, run: Any) -> Loader | None:
        """Return a loader of the validation images to calibrate on, or None for no calibration."""
        return None

    def calibrate(
        self, val: DataLoader[Any], device: torch.device, precision: Callable[[], AbstractContextManager[Any]]
    ) -> dict[str, Any] | None:
        """Choose the model's decoding options on validation data.

        Args:
            val: The loader of `calibration_loader`.
            device: Where to run the network.
            precision: Makes the context manager to run the network in, as in validation.

        Returns:
            The choice in the form of report.json, or None.
        """
        return None

    @abstractmethod
    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on a batch and return the weighted parts of its loss: scalar tensors, by name.

        A `LossParts` also has figures to log.
        """

    @abstractmethod
    def check_batch(self, batch: Batch) -> None:
        """Refuse a training batch that the model cannot use.

        Raises:
            DataError: Sizes or targets do not fit the model.
        """

    def unlearned_reason(self, batch: Batch) -> str | None:
        """Return why the model will learn nothing from a batch that has text, or None if it will learn."""
        return None

    @abstractmethod
    def score(self, split: str) -> dict[str, float]:
        """Return the scores of all batches since `reset_scores`. Set `diagnosis` and `images`."""

    def skip_key(self, entry: SkippedItem) -> Hashable:
        """Return a key that is equal for entries of the same sample or label in different epochs."""
        return entry

    @abstractmethod
    def reset_scores(self) -> None:
        """Discard the counts of the last validation or test."""

    @abstractmethod
    def score_batch(self, batch: Batch) -> None:
        """Run the model on a batch and add its predictions to the counts."""

    def calibration_gain(self, calibration: dict[str, Any]) -> str:
        """Return the gain of a calibration, for the closing table."""
        return ""

    def highlights(self) -> dict[str, str]:
        """Return the rows of the closing table that come from the details."""
        return {}

    def restore_training(self, saved: Mapping[str, Any]) -> None:
        """Restore what a checkpoint says about its training, for a test.

        Args:
            saved: The entry `ocr_trainer` of the checkpoint.
        """

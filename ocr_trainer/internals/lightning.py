"""Private parts of Lightning: the training loop's position, in memory and in checkpoints; process groups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import _DummyExperiment as DummyExperiment
from lightning.pytorch import Trainer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher

__all__ = [
    "DummyExperiment",
    "accumulating",
    "after_each_batch",
    "backend_and_timeout",
    "batch_finished",
    "convert_restore_errors",
    "is_fast_dev_run",
    "logged_step",
    "normalize_position",
    "position",
    "save_alone",
    "spawns_processes",
    "training_done",
    "validation_due",
]


class _EpochLoop(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, with a hook that comes after the loggers."""

    def __init__(self, replaced: _TrainingEpochLoop, hook: Callable[[Trainer], None]) -> None:
        super().__init__(replaced.trainer, replaced.min_steps, replaced.max_steps)
        self._hook = hook

    def advance(self, data_fetcher: Any) -> None:
        """Train on a batch."""
        before = self.batch_progress.total.ready
        super().advance(data_fetcher)
        # A run that resumes with a validation comes here without a batch.
        if self.batch_progress.total.ready > before:
            self._hook(self.trainer)


def after_each_batch(trainer: Trainer, hook: Callable[[Trainer], None]) -> None:
    """Have a function called when a training batch is over: its figures are logged, a validation may follow.

    Call this before training begins. Relies on `_TrainingEpochLoop.advance`, which ends with the loggers.
    """
    trainer.fit_loop.epoch_loop = _EpochLoop(trainer.fit_loop.epoch_loop, hook)


def accumulating(trainer: Trainer) -> bool:
    """Return whether the optimizer step of the latest batch has more batches to come.

    Relies on `_TrainingEpochLoop._should_accumulate`.
    """
    return bool(trainer.fit_loop.epoch_loop._should_accumulate())


def validation_due(trainer: Trainer) -> bool:
    """Return whether a validation follows the latest batch.

    Relies on `_TrainingEpochLoop._should_check_val_fx` and `_FitLoop._data_fetcher`.
    """
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return bool(loop.epoch_loop._should_check_val_fx(loop._data_fetcher))


def training_done(trainer: Trainer) -> bool:
    """Return whether the latest batch is the last of its epoch or of the run.

    Relies on `_TrainingEpochLoop._is_training_done`.
    """
    return bool(trainer.fit_loop.epoch_loop._is_training_done)


def batch_finished(trainer: Trainer) -> bool:
    """Return whether the hooks of the end of a training batch are running: its step, if any, is taken.

    Relies on the order of the counters in `_TrainingEpochLoop.advance`.
    """
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return bool(batches.ready == batches.processed == batches.completed + 1)


def logged_step(trainer: Trainer) -> int:
    """Return the step under which Lightning logs the figures of the current batch.

    Relies on `_TrainingEpochLoop._batches_that_stepped`.
    """
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def is_fast_dev_run(trainer: Trainer) -> bool:
    """Return whether `trainer.fast_dev_run` is on.

    Relies on the attribute `fast_dev_run`, which Lightning sets without declaring it.
    """
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def position(trainer: Trainer) -> dict[str, Any]:
    """Return a copy of the state of the training loop, as in `checkpoint["loops"]["fit_loop"]`.

    Relies on `_Loop.state_dict`, which copies its counters.
    """
    return trainer.fit_loop.state_dict()


def save_alone(trainer: Trainer, path: Path, keep: Path | None) -> None:
    """Save a checkpoint without waiting for the other processes, which may never come.

    For a strategy that does not shard the state. Relies on `_CheckpointConnector.dump_checkpoint`.
    """
    checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    trainer.strategy.save_checkpoint(checkpoint, path, storage_options=keep)


def normalize_position(checkpoint: dict[str, Any], validate: bool, whole_step: bool) -> tuple[int, int]:
    """Normalize Lightning's loop state: the latest batch is done, and a validation that is due comes next.

    Lightning's counters depend on the hook that saves. It restarts a validation that had begun.
    Relies on the keys of `checkpoint["loops"]["fit_loop"]` and on `_batches_that_stepped`, which Lightning
    increments only after the hooks of the batch.

    Args:
        checkpoint: The checkpoint that Lightning is about to save; changed in place.
        validate: Whether a validation follows the batch.
        whole_step: Whether the batch ends an optimizer step.

    Returns:
        The epoch, from 0, and the number of its batches that are done.
    """
    fit = checkpoint["loops"]["fit_loop"]
    batches = fit["epoch_loop.batch_progress"]
    for counter in (batches["total"], batches["current"]):
        counter["completed"] = counter["ready"]
    if whole_step and not validate:
        fit["epoch_loop.state_dict"]["_batches_that_stepped"] += 1
    begun = int(validate)
    counter = {"ready": begun, "started": begun, "processed": 0, "completed": 0}
    fit["epoch_loop.val_loop.batch_progress"] = {
        "total": dict(counter),
        "current": dict(counter),
        "is_last_batch": False,
    }
    return fit["epoch_progress"]["current"]["processed"], batches["current"]["ready"]


def convert_restore_errors(trainer: Trainer, ours: type[Exception], replacement: Exception) -> None:
    """Have one exception raised for whatever restoring a checkpoint raises.

    Relies on `_CheckpointConnector._restore_modules_and_callbacks` and `restore_training_state`, which the
    Trainer calls before and after it has set up the strategy.

    Args:
        trainer: The Trainer.
        ours: The class of exceptions that stay as they are.
        replacement: What is raised for any other.
    """

    def converting(restore: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **options: Any) -> None:
            try:
                restore(*args, **options)
            except ours:
                raise
            except Exception as error:
                raise replacement from error

        return call

    connector = trainer._checkpoint_connector
    for name in ("_restore_modules_and_callbacks", "restore_training_state"):
        setattr(connector, name, converting(getattr(connector, name)))


def backend_and_timeout(strategy: DDPStrategy) -> tuple[str, timedelta | None]:
    """Return the process group backend of a strategy, and its timeout.

    Relies on `DDPStrategy._get_process_group_backend` and `_timeout`.
    """
    return strategy._get_process_group_backend(), strategy._timeout


def spawns_processes(trainer: Trainer) -> bool:
    """Return whether a Trainer trains in processes that it forks or spawns, and that end with the training.

    Relies on the class `_MultiProcessingLauncher`.
    """
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)

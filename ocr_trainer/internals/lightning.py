"""Private parts of Lightning: where its training loop is, what a checkpoint says of it, its process group."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers.logger import DummyExperiment as DummyExperiment
from lightning.pytorch.strategies import DDPStrategy

__all__ = [
    "DummyExperiment",
    "accumulating",
    "backend_and_timeout",
    "normalize_position",
    "training_done",
    "validation_due",
]


def accumulating(trainer: Trainer) -> bool:
    """Return whether the batch just done is within an optimizer step, with more batches to come.

    Relies on `_TrainingEpochLoop._should_accumulate`.
    """
    return bool(trainer.fit_loop.epoch_loop._should_accumulate())


def validation_due(trainer: Trainer) -> bool:
    """Return whether a validation follows the batch just done.

    Relies on `_TrainingEpochLoop._should_check_val_fx` and `_FitLoop._data_fetcher`.
    """
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return bool(loop.epoch_loop._should_check_val_fx(loop._data_fetcher))


def training_done(trainer: Trainer) -> bool:
    """Return whether the batch just done is the last of its epoch or of the run.

    Relies on `_TrainingEpochLoop._is_training_done`.
    """
    return bool(trainer.fit_loop.epoch_loop._is_training_done)


def normalize_position(checkpoint: dict[str, Any], validate: bool, whole_step: bool) -> tuple[int, int]:
    """Bring Lightning's account of its loops into one form: the batch is done, the validation is to come.

    Lightning counts differently depending on which hook saves. It starts a begun validation anew.
    Relies on the keys of `checkpoint["loops"]["fit_loop"]` and on `_batches_that_stepped`, which Lightning
    raises only after the hooks of the batch.

    Args:
        checkpoint: What Lightning is about to save; changed in place.
        validate: Whether a validation follows the batch.
        whole_step: Whether the batch ends an optimizer step.

    Returns:
        The epoch, from 0, and how many of its batches are done.
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


def backend_and_timeout(strategy: DDPStrategy) -> tuple[str, timedelta | None]:
    """Return with which backend a strategy lets its processes meet, and for how long they wait.

    Relies on `DDPStrategy._get_process_group_backend` and `_timeout`.
    """
    return strategy._get_process_group_backend(), strategy._timeout

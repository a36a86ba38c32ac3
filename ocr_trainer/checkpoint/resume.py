"""Resume a run: compare its checkpoint with what was built, and position the training data."""

from __future__ import annotations

import sys

from lightning.pytorch import Trainer
from torch import nn

from ocr_trainer.checkpoint.content import check_average, check_callback
from ocr_trainer.checkpoint.read import ResumePoint, misfit
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.errors import CheckpointError, OcrTrainerError
from ocr_trainer.internals.lightning import convert_restore_errors
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.text.visible import echo


def check_state(point: ResumePoint, run: RunConfig, trainer: Trainer) -> None:
    """Check the state of training in a checkpoint, and convert what Lightning raises when it restores it.

    Args:
        point: The checkpoint to resume from.
        run: The configuration of the resumed run.
        trainer: The Trainer of the resumed run, not yet started.

    Raises:
        CheckpointError: A part is missing or damaged.
    """
    if run.ema.enabled:
        check_average(point.content, point.path)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        # Those of plugins check their states themselves.
        if type(callback).__module__.startswith("ocr_trainer."):
            check_callback(callback.state_dict(), callback.state_key, point.content, point.path)
    unfit = CheckpointError(
        f"{point.path} cannot be used: the state of training in it is damaged, or of another version of "
        f"torch or Lightning\n  start a new run with its weights: init_from={point.path}"
    )
    convert_restore_errors(trainer, OcrTrainerError, unfit)


def prepare_resume(point: ResumePoint, run: RunConfig, model: nn.Module, train: Loader) -> None:
    """Check that a checkpoint fits the run and its model, and start the training data at its position.

    Args:
        point: The checkpoint to resume from.
        run: The configuration of the resumed run.
        model: The newly built model.
        train: The training loader.

    Raises:
        CheckpointError: The checkpoint does not fit. The message names the difference.
    """
    for reason in point.rejected:
        echo(f"ocr-train: skipped: {reason}", file=sys.stderr)
    place, config = point.content["ocr_trainer"]["place"], point.content["ocr_trainer"]["config"]
    if obstacle := run.obstacle(config):
        raise CheckpointError(
            f"{point.path} {obstacle}\n  start a new run with these weights: init_from={point.path}"
        )
    epochs = run.trainer.max_epochs
    if epochs not in (None, -1) and place["epoch"] > epochs:
        raise CheckpointError(
            f"{point.path} is of epoch {place['epoch'] + 1}, beyond trainer.max_epochs={epochs}"
        )
    if difference := misfit(model, point.content):
        raise CheckpointError(f"{point.path} does not fit this model: {difference}")
    train.start_at(place["epoch"], place["batches"])
    if run.trainer.overfit_batches:
        # Lightning replaces our sampler, which is what can start within an epoch.
        echo(
            "ocr-train: with trainer.overfit_batches, the epoch restarts at its first batch", file=sys.stderr
        )
    if not is_rank_zero():
        return
    echo(
        f"ocr-train: resuming after step {point.content['global_step']}, in epoch {place['epoch'] + 1}, "
        f"from {point.path}",
        file=sys.stderr,
    )

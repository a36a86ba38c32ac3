"""Resume a run: compare its checkpoint with what was built, and position the training data."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from lightning.pytorch import Trainer
from torch import nn

from ocr_trainer.checkpoint.content import check_average, check_callback
from ocr_trainer.checkpoint.read import BEST, ResumePoint, misfit, read
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.data.loader import Loader
from ocr_trainer.errors import CheckpointError, OcrTrainerError
from ocr_trainer.internals.lightning import convert_restore_errors
from ocr_trainer.runs.identity import PLACES, read_identity
from ocr_trainer.runs.resume import differences, within
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer_runtime.text.visible import echo


def check_same_run(point: ResumePoint, run: RunConfig, folder: Path) -> None:
    """Refuse a checkpoint of another run in the folder of this one, such as one with another seed.

    Checkpoints of earlier versions have no identity; their options are compared.

    Args:
        point: The checkpoint to resume from. The best one beside it is checked, too: it would be tested.
        run: The configuration of the resumed run.
        folder: Its folder.

    Raises:
        CheckpointError: A checkpoint is of another run.
    """
    contents = {point.path: point.content}
    best = point.path.with_name(BEST)
    if best.is_file() and not best.samefile(point.path):
        with suppress(CheckpointError):  # a damaged one is replaced by the next best
            contents[best] = read(best)
    for path, content in contents.items():
        own, saved = read_identity(folder), content["ocr_trainer"].get("run")
        others = list(differences(content["ocr_trainer"]["config"], plain(run)))
        found = [change for change in others if _identifies(change, run, moved=not (own and saved))]
        if (own != saved) if own and saved else found:
            listed = "".join(f"\n  - {change}" for change in found)
            raise CheckpointError(
                f"{path} is of another run than the folder {folder}{':' if found else ''}{listed}\n"
                f"  to start a new run with its weights: init_from={path}\n"
                "  to resume this run, move that file elsewhere"
            )


def _identifies(change: str, run: RunConfig, moved: bool) -> bool:
    """Return whether an option that differs is one that makes it another run.

    Args:
        change: The option and its values, as `differences` yields them.
        run: The configuration of this run.
        moved: Whether the data may have moved since the checkpoint was saved.
    """
    name = change.partition(":")[0]
    # The options of a model may be calibrated; its tensors are compared anyway.
    ours = (*run.CHANGEABLE, *PLACES, "model", "charset")
    return (
        within(change, run.IDENTITY) and not within(change, ours) and not (moved and name.endswith(".root"))
    )


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
    try:
        obstacle = run.obstacle(config)
    except (AttributeError, LookupError, TypeError) as error:
        raise CheckpointError(f"{point.path} cannot be used: its configuration is damaged") from error
    if obstacle:
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

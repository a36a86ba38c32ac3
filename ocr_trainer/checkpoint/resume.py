"""Resume a run: compare its checkpoint with what was built, and position the training data."""

from __future__ import annotations

import sys

from torch import nn

from ocr_trainer.checkpoint.read import ResumePoint, model_state
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.errors import CheckpointError
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.text.visible import echo


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
    own, saved = model.state_dict(), model_state(point.content)
    for name in sorted(own.keys() | saved.keys()):
        there, here = (tuple(state[name].shape) if name in state else None for state in (saved, own))
        if there != here:
            raise CheckpointError(
                f"{point.path} does not fit this model: {name} is {there} there, {here} here"
            )
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

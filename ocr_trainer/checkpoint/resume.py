"""Going on with a run: what its checkpoint says against what there is now."""

from __future__ import annotations

import sys
from typing import Any

from ocr_trainer.checkpoint.read import ResumePoint, model_state
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.errors import CheckpointError
from ocr_trainer.runs.run_dir import is_first


def prepare_resume(found: ResumePoint, run: RunConfig, model: Any, train: Loader) -> None:
    """Check that a checkpoint fits what was built, and have the training data begin where it ends.

    Raises:
        CheckpointError: It does not fit; what differs is named.
    """
    for fault in found.passed_over:
        print(f"ocr-train: passed over: {fault}", file=sys.stderr)
    place, config = found.content["ocr_trainer"]["place"], found.content["ocr_trainer"]["config"]
    if obstacle := run.obstacle(config):
        raise CheckpointError(
            f"{found.path} {obstacle}\n  begin a new run with these weights: init_from={found.path}"
        )
    own, saved = model.state_dict(), model_state(found.content)
    for name in sorted(own.keys() | saved.keys()):
        there, here = (tuple(state[name].shape) if name in state else None for state in (saved, own))
        if there != here:
            raise CheckpointError(
                f"{found.path} does not fit this model: {name} is {there} there, {here} here"
            )
    train.start_at(place["epoch"], place["batches"])
    if run.trainer.overfit_batches:
        print(
            "ocr-train: with trainer.overfit_batches an epoch goes on from its first batch", file=sys.stderr
        )
    if not is_first():
        return
    print(
        f"ocr-train: goes on after step {found.content['global_step']}, in epoch {place['epoch'] + 1}, "
        f"from {found.path}",
        file=sys.stderr,
    )

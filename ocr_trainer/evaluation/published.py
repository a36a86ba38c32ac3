"""A model with published weights, in the form of a checkpoint that training would have written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.plugin import Kind
from ocr_trainer.plugin.build import build


def published_checkpoint(run: RunConfig) -> dict[str, Any]:
    """Return the content of a checkpoint of a model whose initial weights are published.

    Args:
        run: The configuration of the model, with its initial weights and without data.

    Raises:
        OcrTrainerError: The weights are not available or do not fit.
    """
    run = run.without_training()
    model = build(Kind.model, run.model, run_context(run, Path()))
    config = plain(replace(run, model=run.model.without_init_weights()))
    del config["dataset"]
    return {
        "state_dict": {f"model.{name}": value for name, value in model.state_dict().items()},
        "ocr_trainer": {"format": FORMAT, "config": config, "best_scores": {}, "run": None},
    }

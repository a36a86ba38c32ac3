"""Published weights of a model in the form of a checkpoint, as training would have written it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.plugin import Kind
from ocr_trainer.plugin.build import build
from ocr_trainer.tasks.recognition.charset import choose, initial_charset
from ocr_trainer.tasks.recognition.config import RecognitionConfig


def published_checkpoint(run: RunConfig) -> dict[str, Any]:
    """Return the content of a checkpoint with a model's published weights.

    Args:
        run: The configuration of the model, with its initial weights and without a dataset.

    Raises:
        OcrTrainerError: The weights are not available or do not fit.
    """
    run = _with_charset(run)
    model = build(Kind.model, run.model, run_context(run, Path()))
    config = plain(run.without_init_weights())
    del config["dataset"]
    return {
        "state_dict": {f"model.{name}": value for name, value in model.state_dict().items()},
        "ocr_trainer": {"format": FORMAT, "config": config, "best_scores": {}, "run": None},
    }


def _with_charset(run: RunConfig) -> RunConfig:
    """Return the configuration; for a recognizer, with the characters that its weights know."""
    if not isinstance(run, RecognitionConfig):
        return run
    charset = replace(run.charset, characters=choose(run.charset, "", initial_charset(run)))
    return replace(run, charset=replace(charset, names=[], file=None, from_data=False))

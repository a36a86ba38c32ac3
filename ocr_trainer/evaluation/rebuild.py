"""Rebuild the model of a checkpoint. Lightning, which takes seconds to import, is not needed for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocr_trainer.checkpoint.read import misfit, model_state
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Kind
from ocr_trainer.plugin.build import build


def rebuild(run: RunConfig, saved: dict[str, Any], folder: Path) -> Any:
    """Return the model of a checkpoint, with its weights and in evaluation mode.

    Args:
        run: The run of the checkpoint.
        saved: The content of the checkpoint.
        folder: The folder of results, for the model's context.

    Raises:
        CheckpointError: The weights do not fit the configured model.
        PluginError: The model's plugin is not installed or cannot be used.
    """
    model = build(Kind.model, run.model, run_context(run, folder))
    if difference := misfit(model, saved):
        raise CheckpointError(f"the weights do not fit model={run.model.name}: {difference}")
    model.load_state_dict(model_state(saved))
    return model.eval()

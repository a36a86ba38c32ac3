"""Upgrade checkpoints of version 0.1, so that they still resume, test and predict."""

from __future__ import annotations

from typing import Any

from ocr_trainer.config.renames import upgrade_saved

CALLBACKS = {"FiniteSteps": "NonfiniteGuard", "ocr_trainer.Keeper": "ocr_trainer.CheckpointCallback"}
"""Current keys of callback states, by the keys of version 0.1."""


def upgrade(checkpoint: dict[str, Any], origin: object) -> None:
    """Convert a checkpoint to the current form, in place.

    Raises:
        ConfigError: Its configuration is nothing that a run saves.
    """
    ours = checkpoint["ocr_trainer"]
    ours["config"] = upgrade_saved(ours.get("config", {}), f"the configuration in {origin}")
    if isinstance(states := checkpoint.get("callbacks"), dict):
        checkpoint["callbacks"] = {CALLBACKS.get(key, key): state for key, state in states.items()}

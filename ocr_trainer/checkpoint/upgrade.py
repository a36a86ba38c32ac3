"""Upgrade checkpoints of version 0.1, so that they still resume, test and predict."""

from __future__ import annotations

from typing import Any

from ocr_trainer.config.renames import upgrade as upgrade_config

CALLBACKS = {"FiniteSteps": "NonfiniteGuard", "ocr_trainer.Keeper": "ocr_trainer.CheckpointCallback"}
"""Current keys of callback states, by the keys of version 0.1. Lightning finds a callback's state by its key."""


def upgrade(checkpoint: dict[str, Any]) -> None:
    """Convert a checkpoint to the current form, in place."""
    ours = checkpoint["ocr_trainer"]
    ours["config"] = upgrade_config(ours.get("config", {}))
    if states := checkpoint.get("callbacks"):
        checkpoint["callbacks"] = {CALLBACKS.get(key, key): state for key, state in states.items()}

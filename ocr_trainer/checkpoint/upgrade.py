"""Checkpoints of version 0.1 in today's form, so that they still resume, test and predict."""

from __future__ import annotations

from typing import Any

from ocr_trainer.config.renames import upgrade as upgrade_config

CALLBACKS = {"FiniteSteps": "NonfiniteGuard", "ocr_trainer.Keeper": "ocr_trainer.CheckpointCallback"}
"""Lightning finds the state of a callback by this key: today's, by that of version 0.1."""


def upgrade(checkpoint: dict[str, Any]) -> None:
    """Bring a checkpoint into today's form, in place."""
    ours = checkpoint["ocr_trainer"]
    ours["config"] = upgrade_config(ours.get("config", {}))
    if states := checkpoint.get("callbacks"):
        checkpoint["callbacks"] = {CALLBACKS.get(key, key): state for key, state in states.items()}

"""Check the first training step: sizes, targets, loss and gradients."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from ocr_trainer.data.types import Batch
from ocr_trainer.errors import PluginBroken
from ocr_trainer.tasks.base import LearningTask

PATIENCE = 10
"""Batches without text before a note is printed."""
SHOWN = 5
"""How many parameters without gradient to name."""


class SanityCheck(Callback):
    """Checks sizes, targets, loss and gradients of the first step, and that the first batches have text."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """Unusual findings that may be intended, for report.json."""
        self._first_step_done = False
        self._found_text = False
        self._batches_without_text = 0

    def on_train_batch_start(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], batch: Batch, batch_idx: int
    ) -> None:
        """Check batches up to the first one with text.

        Raises:
            DataError: The model cannot use the batch.
        """
        if self._found_text:
            return
        if len(batch):
            pl_module.check_batch(batch)
        if batch.texts:
            if note := pl_module.unlearned_reason(batch):
                self._add_note(pl_module, note)
            self._found_text = True
            return
        self._batches_without_text += 1
        if self._batches_without_text == PATIENCE:
            self._add_note(
                pl_module,
                f"the first {PATIENCE} batches have no text to learn: {pl_module.no_text_hint}",
            )

    def on_before_backward(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], loss: Tensor
    ) -> None:
        """Refuse a nonfinite loss in the first step.

        Raises:
            PluginBroken: The loss is nonfinite.
        """
        if not self._first_step_done and not torch.isfinite(loss):
            parts = {n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith("train/")}
            listed = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            raise PluginBroken(
                f"the loss of the first batch is {float(loss)}: {listed}\n"
                "  nothing has been trained yet: check the model's initial weights and its targets"
            )

    def on_after_backward(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any]
    ) -> None:
        """Note parameters that no gradient reaches."""
        if self._first_step_done:
            return
        self._first_step_done = True
        unreached = [n for n, p in pl_module.model.named_parameters() if p.requires_grad and p.grad is None]
        if unreached:
            more = f" and {len(unreached) - SHOWN} more" if len(unreached) > SHOWN else ""
            self._add_note(
                pl_module,
                f"no gradient reaches {', '.join(unreached[:SHOWN])}{more}: these will not be trained",
            )

    def _add_note(self, pl_module: LearningTask[Any], note: str) -> None:
        self.notes.append(note)
        pl_module.print(f"note: {note}")

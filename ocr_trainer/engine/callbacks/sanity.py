"""A look at the first training step: what is wrong with it will not get better by itself."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from ocr_trainer.data.types import Batch
from ocr_trainer.errors import PluginBroken
from ocr_trainer.tasks.base import LearningTask

PATIENCE = 10
"""Batches without text before the user is told."""
SHOWN = 5


class SanityCheck(Callback):
    """Checks sizes, targets, loss and gradients of the first step, and that text comes soon."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """What is odd, but may be meant; report.json has it."""
        self._stepped = False
        self._without_text = 0

    def on_train_batch_start(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, batch: Batch, batch_idx: int
    ) -> None:
        """Look at the batch, until there was text in one."""
        if self._without_text < 0:
            return
        if len(batch):
            pl_module.check_batch(batch)
        if batch.texts:
            if note := pl_module.unlearned_reason(batch):
                self._note(pl_module, note)
            self._without_text = -1
            return
        self._without_text += 1
        if self._without_text == PATIENCE:
            self._note(
                pl_module,
                f"the first {PATIENCE} batches hold no text to learn: {pl_module.no_text_hint}",
            )

    def on_before_backward(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, loss: Tensor
    ) -> None:
        """Refuse a loss that is no number."""
        if not self._stepped and not torch.isfinite(loss):
            parts = {n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith("train/")}
            told = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            raise PluginBroken(
                f"the loss of the first batch is {float(loss)}: {told}\n"
                "  nothing has been trained yet: look at the model's first weights and at its targets"
            )

    def on_after_backward(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask
    ) -> None:
        """Look for parameters that the gradient does not reach."""
        if self._stepped:
            return
        self._stepped = True
        unreached = [n for n, p in pl_module.model.named_parameters() if p.requires_grad and p.grad is None]
        if unreached:
            more = f" and {len(unreached) - SHOWN} more" if len(unreached) > SHOWN else ""
            self._note(
                pl_module,
                f"no gradient reaches {', '.join(unreached[:SHOWN])}{more}: these will not be trained",
            )

    def _note(self, pl_module: LearningTask, note: str) -> None:
        self.notes.append(note)
        pl_module.print(f"note: {note}")

"""A look at the first training step: what is wrong with it will not get better by itself."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ocr_trainer.errors import DataError, PluginBroken
from ocr_trainer.training.samples import Batch

PATIENCE = 10
"""Batches without text before the user is told."""
SHOWN = 5


class FirstBatch(Callback):
    """Checks sizes, targets, loss and gradients of the first step, and that text comes soon."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """What is odd, but may be meant; report.json has it."""
        self._stepped = False
        self._without_text = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Look at the batch, until there was text in one."""
        if self._without_text < 0 or not len(batch):
            return
        model: Any = pl_module.model
        check_sizes(batch, model.stride)
        if batch.texts:
            learnt = model.positives(batch.targets)
            if learnt == 0:
                self._note(
                    pl_module,
                    f"the first batch with text shows {batch.texts} texts, but nothing of them is learnt: "
                    "are they too small for the model, at this augment.scale?",
                )
            self._without_text = -1
            return
        self._without_text += 1
        if self._without_text == PATIENCE:
            self._note(
                pl_module,
                f"the first {PATIENCE} batches hold no text to learn: do the labels lie on the images?",
            )

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Refuse a loss that is no number."""
        if not self._stepped and not torch.isfinite(loss):
            parts = {n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith("train/")}
            told = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            raise PluginBroken(
                f"the loss of the first batch is {float(loss)}: {told}\n"
                "  nothing has been trained yet: look at the model's first weights and at its targets"
            )

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
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

    def _note(self, pl_module: LightningModule, note: str) -> None:
        self.notes.append(note)
        pl_module.print(f"note: {note}")


def check_sizes(batch: Batch, stride: int) -> None:
    """Refuse images that the network cannot take, and targets that are not one per image.

    Raises:
        DataError: What is wrong with which.
    """
    height, width = batch.images.shape[-2:]
    if height % stride or width % stride:
        raise DataError(f"images of {width} x {height} pixels: the model needs multiples of {stride}")
    if not batch.targets:
        raise DataError("the model's encode makes no targets: there is nothing to learn from")
    for name, target in batch.targets.items():
        if len(target) != len(batch):
            raise DataError(f"the target '{name}' has {len(target)} rows for {len(batch)} images")

"""`ocr-train overfit`: check whether a model can memorize one batch. If not, it cannot learn the data."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import seed_everything

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.open import open_splits
from ocr_trainer.data.types import Batch
from ocr_trainer.engine import build
from ocr_trainer.engine.callbacks.sanity import PATIENCE
from ocr_trainer.engine.session import initialize_weights
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.errors import DataError
from ocr_trainer.optim.optimizer import make_optimizer
from ocr_trainer.plugin import SkippedItem
from ocr_trainer.runs import collector
from ocr_trainer.tasks.base import LearningTask, task_class
from ocr_trainer_runtime.text.visible import echo

LEARNED = 0.1
"""A batch counts as learned when its loss is at most this share of the first loss."""
SHOWN = 10
"""How many skipped items to list."""
LINES = 10
"""About how many times to print the loss."""


@dataclass(frozen=True)
class Overfit:
    """The result of training on a single batch: true if it was learned, and `str()` says so."""

    losses: list[float]
    """The loss before each step, and after the last one."""
    lr: float
    """The learning rate."""

    def __bool__(self) -> bool:
        return self.losses[-1] <= LEARNED * self.losses[0]

    def __str__(self) -> str:
        first, last = self.losses[0], self.losses[-1]
        result = f"loss {first:.4f} -> {last:.4f} ({last / first:.1%}) in {len(self.losses) - 1} steps"
        if self:
            return f"learned: {result}"
        return (
            f"not learned: {result}\n"
            "  if the loss still falls, use more steps: steps=N\n"
            f"  if it stagnates or jumps, change the learning rate: optimizer.lr={self.lr:g}\n"
            "  if nothing helps, check the data: are the labels on the text?"
        )


def overfit(run: RunConfig, steps: int) -> Overfit:
    """Train on a single batch at a constant learning rate and print its loss.

    Args:
        run: A validated configuration. Its schedule, EMA and Trainer options are not used.
        steps: The maximum number of optimizer steps. It ends earlier when the loss is a tenth of the first.

    Raises:
        DataError: The first batches have no text.
    """
    quiet_logs()
    seed_everything(run.seed, verbose=False)
    run = replace(run, trainer=replace(run.trainer, limit_val_batches=0, limit_test_batches=0))
    context = run_context(run, Path())
    kind = task_class(context.task)
    splits = open_splits(run, context)
    run, context, splits = kind.prepare(run, context, splits)
    model = build.build_model(run, context)
    initialize_weights(model, run, kind)
    loaders = build.build_loaders(run, model, context, splits)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = _first_with_text(loaders.train, kind.no_text_hint).to(device)
    task = kind(model.to(device).train(), run, Path(), loaders.train_images)
    task.check_batch(batch)
    collector.resume()
    echo(f"{len(batch)} images with {batch.texts} texts, {tuple(batch.images.shape)}, on {device}")
    return Overfit(_learn(task, batch, steps), run.optimizer.lr)


def _first_with_text(batches: Iterable[Batch], hint: str) -> Batch:
    skipped: list[SkippedItem] = []
    for number, batch in enumerate(batches, start=1):
        if batch.texts:
            first: Batch = batch
            return first
        skipped += batch.skipped
        if number == PATIENCE:
            break
    listed = "".join(f"\n  {entry}" for entry in skipped[:SHOWN])
    raise DataError(f"the first {number} batches have no text to learn: {hint}{listed}")


def _learn(task: LearningTask[Any], batch: Batch, steps: int) -> list[float]:
    """Train on a batch; return the loss before each step and after the last one."""
    optimizer = make_optimizer(task.model, task.run, run_context(task.run, task.folder))
    losses: list[float] = []
    began = time.perf_counter()
    for step in range(steps + 1):
        task.begin_step(step, 0, steps)
        parts = task.loss_parts(batch)
        loss = torch.stack(list(parts.values())).sum()
        losses.append(float(loss.detach()))
        if step % max(1, steps // LINES) == 0:
            each = ", ".join(f"{name} {float(value.detach()):.4f}" for name, value in parts.items())
            echo(f"step {step}: loss {losses[-1]:.4f} ({each}), {time.perf_counter() - began:.0f} s")
        if losses[-1] <= LEARNED * losses[0] or not torch.isfinite(loss):
            break
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
    return losses

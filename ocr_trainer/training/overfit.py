"""`ocr-train overfit`: can this model learn one batch of this data by heart? If not, nothing will work."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch import seed_everything

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Kind, Skipped
from ocr_trainer.schema import RunConfig
from ocr_trainer.training import build
from ocr_trainer.training.detection import Detector
from ocr_trainer.training.first_batch import PATIENCE, check_sizes
from ocr_trainer.training.optim import make_optimizer
from ocr_trainer.training.run import collect_again, quieten, take_over
from ocr_trainer.training.samples import Batch

LEARNT = 0.1
"""The share of the first loss below which a batch counts as learnt."""
SHOWN = 10
LINES = 10
"""How often the loss is told."""


def overfit(run: RunConfig, steps: int) -> bool:
    """Train on one batch, always the same, at a constant learning rate, and say what became of its loss.

    Args:
        run: A checked configuration; its schedule, averaging and Trainer are not used.
        steps: The most optimiser steps; it ends earlier once the loss is at a tenth of what it was.

    Returns:
        Whether it got there.

    Raises:
        DataError: The first batches hold no text.
    """
    quieten()
    seed_everything(run.seed, verbose=False)
    context = build.context(run, Path())
    model: Detector = build.build(Kind.model, run.model, context)
    take_over(model, run)
    unscored = replace(run.trainer, limit_val_batches=0, limit_test_batches=0)
    loaders = build.build_loaders(replace(run, trainer=unscored), model, context)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = _first_with_text(loaders.train).to(device)
    check_sizes(batch, model.stride)
    collect_again()
    print(f"{len(batch)} images with {batch.texts} texts, {tuple(batch.images.shape)}, on {device}")
    losses = _learn(model.to(device).train(), batch, run, steps)
    share = losses[-1] / losses[0]
    told = f"loss {losses[0]:.4f} -> {losses[-1]:.4f} ({share:.1%}) in {len(losses) - 1} steps"
    if share <= LEARNT:
        print(f"learnt: {told}")
        return True
    print(
        f"ocr-train: not learnt: {told}\n"
        "  if it still falls, give it more steps: --steps N\n"
        f"  if it stands still or jumps, change the learning rate: optimizer.lr={run.optimizer.lr:g}\n"
        "  if nothing helps, look at what is learnt: are the labels on the text?",
        file=sys.stderr,
    )
    return False


def _first_with_text(batches: torch.utils.data.DataLoader[Batch]) -> Batch:
    skipped: list[Skipped] = []
    for number, batch in enumerate(batches, start=1):
        if batch.texts:
            return batch
        skipped += batch.skipped
        if number == PATIENCE:
            break
    told = "".join(f"\n  {entry}" for entry in skipped[:SHOWN])
    raise DataError(
        f"the first {number} batches hold no text to learn: do the labels lie on the images?{told}"
    )


def _learn(model: Detector, batch: Batch, run: RunConfig, steps: int) -> list[float]:
    """Return the loss before each step and after the last."""
    optimizer = make_optimizer(model, run.optimizer)
    losses: list[float] = []
    began = time.perf_counter()
    for step in range(steps + 1):
        parts = model.loss(model(batch.images), batch.targets)
        loss = torch.stack(list(parts.values())).sum()
        losses.append(float(loss.detach()))
        if step % max(1, steps // LINES) == 0:
            each = ", ".join(f"{name} {float(value.detach()):.4f}" for name, value in parts.items())
            print(f"step {step}: loss {losses[-1]:.4f} ({each}), {time.perf_counter() - began:.0f} s")
        if losses[-1] <= LEARNT * losses[0] or not torch.isfinite(loss):
            break
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return losses

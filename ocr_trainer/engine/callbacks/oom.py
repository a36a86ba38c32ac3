"""Explain out-of-memory errors: the batch that did not fit, and options to lower, with values."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.types import Batch
from ocr_trainer.tasks.base import LearningTask, half_area

OF_GPU = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
OF_HOST = (
    *("can't allocate memory", "Cannot allocate memory", "MemoryError", "Insufficient memory"),
    *("shared memory", "std::bad_alloc"),
)
"""Messages of torch, NumPy, OpenCV and the system. Errors of worker processes arrive as text only."""


class LatestBatch(Callback):
    """Remembers the shape of the latest batch, and whether it was for training or scoring."""

    shape: tuple[int, ...] | None = None
    """(images, channels, height, width)."""
    scored: bool = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Remember a training batch."""
        self.shape, self.scored = tuple(batch.images.shape), False

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, *_: Any
    ) -> None:
        """Remember a batch to score."""
        self.shape, self.scored = tuple(batch.images.shape), True

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, *_: Any
    ) -> None:
        """Remember a batch to score."""
        self.shape, self.scored = tuple(batch.images.shape), True


def explain_memory(
    error: BaseException, latest: LatestBatch, run: RunConfig, kind: type[LearningTask[Any]]
) -> str | None:
    """Return a message with options to lower if an error means out of memory, or None.

    Args:
        error: Any error of a run.
        latest: The latest batch.
        run: The run's configuration.
        kind: The class of the run's task.
    """
    for cause in _chain(error):
        text = f"{type(cause).__name__}: {cause}"
        on_gpu = isinstance(cause, torch.OutOfMemoryError) or any(mark in text for mark in OF_GPU)
        if on_gpu or isinstance(cause, MemoryError) or any(mark in text for mark in OF_HOST):
            break
    else:
        return None
    # A worker's error is its whole traceback as text; the last line has the reason.
    reason = text.rstrip().splitlines()[-1] if "in DataLoader worker" in text else str(cause)
    reason = textwrap.shorten(reason or text, 160, placeholder=" …")
    hints = "".join(f"\n  try {hint}" for hint in _hints(on_gpu, latest, run, kind))
    return f"{'GPU' if on_gpu else 'machine'} out of memory: {reason}{_shape_of(latest)}{hints}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes: an error of cleaning up may hide the reason."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _shape_of(latest: LatestBatch) -> str:
    if latest.shape is None:
        return ""
    sides, what = " x ".join(map(str, latest.shape)), "scoring" if latest.scored else "training"
    return f"\n  the latest {what} batch: {sides} (images, channels, height, width)"


def _hints(on_gpu: bool, latest: LatestBatch, run: RunConfig, kind: type[LearningTask[Any]]) -> Iterator[str]:
    """Yield options that save memory, those with the least effect on results first."""
    hints = list(kind.memory_hints(run, training=not latest.scored))
    yield from _smaller_scoring_batch(latest, run) if latest.scored else _smaller_batch(latest, run)
    yield from (hint for hint, prefetched in hints if not prefetched)
    # Prefetched samples are in the memory of the host.
    if not on_gpu:
        yield from _fewer_workers(run)
        yield from (hint for hint, prefetched in hints if prefetched)
    elif run.trainer.precision in (None, "32", "32-true"):
        yield "trainer.precision=bf16-mixed (activations take half)"
    if size := _smaller_size(getattr(run.model, "size", None), images=latest.scored):
        yield f"model.size={size}"


def _smaller_scoring_batch(latest: LatestBatch, run: RunConfig) -> Iterator[str]:
    assert latest.shape is not None
    if (size := run.data.eval_batch_size or latest.shape[0]) > 1:
        yield f"data.eval_batch_size={size // 2}"


def _smaller_batch(latest: LatestBatch, run: RunConfig) -> Iterator[str]:
    size = run.data.batch_size or (latest.shape[0] if latest.shape else 1)
    if size > 1:
        half, times = size // 2, run.trainer.accumulate_grad_batches * -(-size // (size // 2))
        yield f"data.batch_size={half} trainer.accumulate_grad_batches={times} (as many images per step)"


def _fewer_workers(run: RunConfig) -> Iterator[str]:
    """Yield an option that reduces the number of prefetched samples."""
    workers = run.data.num_workers if run.data.num_workers is not None else min(8, (os.cpu_count() or 1) // 2)
    if workers > 0:
        yield f"data.num_workers={workers // 2} (each holds batches of its own)"


def _smaller_size(size: Any, images: bool) -> str | None:
    """Return a smaller `model.size`: the next smaller network or, for a number, a smaller image side.

    Args:
        size: The option of the model: an enum of networks, or the side of scored images in pixels.
        images: Whether a smaller image side helps.
    """
    if isinstance(size, Enum):
        sizes = list(type(size))
        place = sizes.index(size)
        return sizes[place - 1].name if place else None
    return str(half_area(size)) if images and isinstance(size, int) and half_area(size) else None

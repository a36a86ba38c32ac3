"""When the memory does not suffice: what for, and what to lower, in numbers."""

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
"""What torch, numpy, cv2 and the system say; an error of a worker arrives as text alone."""


class LatestBatch(Callback):
    """Remembers what was computed on last: the batch's shape, and whether it was scored or learned."""

    shape: tuple[int, ...] | None = None
    """Images, channels, height, width."""
    scored: bool = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Remember a batch that is learned."""
        self.shape, self.scored = tuple(batch.images.shape), False

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, *_: Any
    ) -> None:
        """Remember a batch that is scored."""
        self.shape, self.scored = tuple(batch.images.shape), True

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, *_: Any
    ) -> None:
        """Remember a batch that is scored."""
        self.shape, self.scored = tuple(batch.images.shape), True


def explain_memory(
    error: BaseException, latest: LatestBatch, run: RunConfig, kind: type[LearningTask[Any]]
) -> str | None:
    """Return what to tell the user of an error for want of memory; nothing of any other error."""
    for cause in _chain(error):
        text = f"{type(cause).__name__}: {cause}"
        on_gpu = isinstance(cause, torch.OutOfMemoryError) or any(mark in text for mark in OF_GPU)
        if on_gpu or isinstance(cause, MemoryError) or any(mark in text for mark in OF_HOST):
            break
    else:
        return None
    # Of a worker's traceback, the end says what happened.
    told = text.rstrip().splitlines()[-1] if "in DataLoader worker" in text else str(cause)
    said = textwrap.shorten(told or text, 160, placeholder=" …")
    hints = "".join(f"\n  try {hint}" for hint in _hints(on_gpu, latest, run, kind))
    whose = "GPU" if on_gpu else "machine"
    return f"the memory of the {whose} does not suffice: {said}{_of(latest)}{hints}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it followed from: what fails to tidy up hides why."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of(latest: LatestBatch) -> str:
    if latest.shape is None:
        return ""
    sides, what = " x ".join(map(str, latest.shape)), "scoring" if latest.scored else "training"
    return f"\n  the latest {what} batch: {sides} (images, channels, height, width)"


def _hints(on_gpu: bool, latest: LatestBatch, run: RunConfig, kind: type[LearningTask[Any]]) -> Iterator[str]:
    """Yield options that need less memory, the cheapest first."""
    hints = list(kind.memory_hints(run, training=not latest.scored))
    yield from _fewer_scored(latest, run) if latest.scored else _fewer_learned(latest, run)
    yield from (hint for hint, waiting in hints if not waiting)
    if not on_gpu:
        yield from _fewer_waiting(run)
        yield from (hint for hint, waiting in hints if waiting)
    elif run.trainer.precision in (None, "32", "32-true"):
        yield "trainer.precision=bf16-mixed (activations take half)"
    if size := _smaller(getattr(run.model, "size", None), images=latest.scored):
        yield f"model.size={size}"


def _fewer_scored(latest: LatestBatch, run: RunConfig) -> Iterator[str]:
    assert latest.shape is not None
    if (size := run.data.eval_batch_size or latest.shape[0]) > 1:
        yield f"data.eval_batch_size={size // 2}"


def _fewer_learned(latest: LatestBatch, run: RunConfig) -> Iterator[str]:
    size = run.data.batch_size or (latest.shape[0] if latest.shape else 1)
    if size > 1:
        half, times = size // 2, run.trainer.accumulate_grad_batches * -(-size // (size // 2))
        yield f"data.batch_size={half} trainer.accumulate_grad_batches={times} (as many images per step)"


def _fewer_waiting(run: RunConfig) -> Iterator[str]:
    """Yield what lessens the samples that wait for the model."""
    workers = run.data.num_workers if run.data.num_workers is not None else min(8, (os.cpu_count() or 1) // 2)
    if workers > 0:
        yield f"data.num_workers={workers // 2} (each holds batches of its own)"


def _smaller(size: Any, images: bool) -> str | None:
    """Return a network's next smaller size; or that of images, where it is a number and they are scored."""
    if isinstance(size, Enum):
        sizes = list(type(size))
        place = sizes.index(size)
        return sizes[place - 1].name if place else None
    return str(half_area(size)) if images and isinstance(size, int) and half_area(size) else None

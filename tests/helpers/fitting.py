"""Small trainings that can be spoiled at chosen batches, without a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.data.open import open_splits
from ocr_trainer.engine import build
from ocr_trainer.engine.callbacks.nonfinite import NonfiniteGuard
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.tasks.base import LearningTask, task_class

WORDS = ["dataset=synthetic", "logger=[]", "data.num_workers=0", "schedule.warmup=0"]
CRNN = [*WORDS, "model=crnn", "model.size=tiny", "charset.characters='0123456789'", "data.batch_size=8"]
CRNN += ["dataset.text.charsets=[digits]", "dataset.text.train_texts=48", "data.bucket_batches=2"]
DBNET = [
    *WORDS,
    "model=dbnet",
    "model.neck_channels=8",
    "model.backbone.width=8",
    "dataset.train_pages=12",
    "data.batch_size=2",
]
DBNET += ["dataset.height=128", "dataset.width=128", "model.size=128", "augment.crop=64"]

Spoil = Callable[[LearningTask, set[int]], None]
"""Has a task fail at some of its batches, counted from 0."""


def fit(
    folder: Path, words: list[str], spoil: Spoil, batches: set[int], *callbacks: Callback, **options: Any
) -> tuple[NonfiniteGuard, LearningTask, Trainer]:
    """Train for an epoch of 6 batches, of which some are spoiled; each step is saved in last.ckpt."""
    quiet_logs()
    run = compose(words)
    torch.manual_seed(0)
    context = run_context(run, folder)
    kind = task_class(context.task)
    run, context, splits = kind.prepare(run, context, open_splits(run, context))
    model = build.build_model(run, context)
    loaders = build.build_loaders(run, model, context, splits)
    task = kind(model, run, folder, loaders.train_images)
    spoil(task, batches)
    finite = NonfiniteGuard(run.optimizer)
    keeper = ModelCheckpoint(folder, "last", every_n_train_steps=1, enable_version_counter=False)
    # Ours divides the samples already.
    off = ("logger", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler")
    quiet = dict.fromkeys(off, False)
    trainer = Trainer(
        **{"max_epochs": 1, "accelerator": "cpu", "devices": 1, "limit_val_batches": 0, **quiet, **options},
        callbacks=[*callbacks, finite, keeper],
        default_root_dir=folder,
    )
    trainer.fit(task, loaders.train)
    return finite, task, trainer


def tensors(value: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor of a checkpoint with where it lies."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{path}/{key}")


def finite_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint, and see that all of it is finite."""
    saved = torch.load(path, weights_only=True)
    found = {n: v for n, v in tensors(saved) if not n.startswith("/callbacks/ModelCheckpoint")}
    assert len(found) > 60
    assert [name for name, value in found.items() if not torch.isfinite(value).all()] == []
    return found

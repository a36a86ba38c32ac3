"""Keeping a run's state, so that it goes on exactly where it was.

`last.ckpt` is written at the end of optimizer steps: before each validation, at the end of an epoch,
after so many steps or minutes, and when a signal ends the run. So whenever a model is scored, its
state is on disk already, and `best.ckpt` is a second name of that file.

A checkpoint always says the same of where it is: so many batches of an epoch are done; if a validation
was due after them, it comes next. Lightning's account of its loops is brought into that form here.
"""

from __future__ import annotations

import logging
import math
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint import read as reading
from ocr_trainer.config.schema import CheckpointConfig
from ocr_trainer.runs.signals import STOP, Stopped

log = logging.getLogger("ocr_trainer")


class CheckpointFileIO(CheckpointIO):
    """Writes and reads checkpoints for Lightning. One that cannot be written costs a warning, not the run."""

    failed: str | None = None
    """Why the latest could not be written."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; keep the one before it under another name, if one is given."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(checkpoint, path, keep=storage_options)
            self.failed = None
        except OSError as error:
            self._fail(
                f"{path.name} of step {checkpoint['global_step']}", path, sum(_sizes(checkpoint)), error
            )

    def link_as(self, path: Path, other: Path) -> None:
        """Give a checkpoint a second name."""
        try:
            files.link_as(path, other)
        except OSError as error:
            self._fail(other.name, other, path.stat().st_size, error)

    def _fail(self, what: str, path: Path, needed: int, error: OSError) -> None:
        """Say what could not be written, and how much room there is."""
        folder = next(parent for parent in path.parents if parent.is_dir())
        self.failed = (
            f"{what} cannot be written: {error.strerror or error} "
            f"({needed / 1e6:.1f} MB needed, {shutil.disk_usage(folder).free / 1e6:.1f} MB free in {folder})"
        )
        log.warning("%s\n  what was kept before still stands; training goes on", self.failed)

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Read a checkpoint that is whole."""
        return reading.read(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def storage_of(trainer: Trainer) -> CheckpointFileIO:
    """Return what writes the checkpoints of a Trainer of ours."""
    storage = trainer.strategy.checkpoint_io
    assert isinstance(storage, CheckpointFileIO)
    return storage


def _sizes(value: Any) -> Iterator[int]:
    """Yield the bytes of each tensor within."""
    if isinstance(value, torch.Tensor):
        yield value.nbytes
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _sizes(item)


class CheckpointCallback(Callback):
    """Writes `last.ckpt`, `previous.ckpt` and, where there are scores, `best.ckpt`; ends on signals."""

    state_key = "ocr_trainer.CheckpointCallback"

    def __init__(self, folder: Path | None, config: CheckpointConfig, monitor: str) -> None:
        """Keep where checkpoints go, or None for nowhere."""
        self.folder, self.config, self.monitor = folder, config, monitor
        self.best = -math.inf
        self._kept: int | None = None
        """The step after which `last.ckpt` was written."""
        self._validate = False

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best score so far."""
        self.best = state_dict["best"]

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals from Lightning, which took them a moment before."""
        STOP.register()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals from Lightning; start the clock."""
        STOP.register()
        if trainer.received_sigterm:
            raise Stopped(signal.SIGTERM)
        self._since = time.monotonic()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals from Lightning, whose handler would have processes wait for each other."""
        STOP.register()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Keep the state, if it is time to; end if a signal asks for it."""
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate():
            return
        asked, due = self._agreed(trainer)
        self._validate = loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
        steps = self.config.every_n_steps
        due |= bool(steps) and trainer.global_step % steps == 0 and trainer.global_step != self._kept
        if asked or due or self._validate or loop._is_training_done or trainer.should_stop:
            self._keep(trainer)
        if asked:
            raise Stopped(asked)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """End if a signal asks for it: the state was kept before, but for one in the middle of a step.

        Several processes end together, later.
        """
        accumulating = trainer.fit_loop.epoch_loop._should_accumulate()
        if STOP.asked is not None and trainer.world_size == 1 and not accumulating:
            raise Stopped(STOP.asked)

    def on_validation_end(self, trainer: Trainer, *_: Any) -> None:
        """Keep the state under the name of the best, if it is that."""
        score = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or score is None or not float(score) > self.best:
            return
        self.best = float(score)
        if self.folder is None or trainer.fast_dev_run:
            return
        if trainer.fit_loop.epoch_loop._should_accumulate():
            # In the middle of a step: what training goes on from is of its beginning.
            trainer.save_checkpoint(self.folder / reading.BEST)
        elif trainer.is_global_zero and storage_of(trainer).failed is None:
            storage_of(trainer).link_as(self.folder / reading.LAST, self.folder / reading.BEST)

    def on_save_checkpoint(self, trainer: Trainer, _: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring Lightning's account of where it is into the one form that checkpoints have."""
        whole = not trainer.fit_loop.epoch_loop._should_accumulate()
        fit = checkpoint["loops"]["fit_loop"]
        batches = fit["epoch_loop.batch_progress"]
        for counter in (batches["total"], batches["current"]):
            counter["completed"] = counter["ready"]
        if whole and not self._validate:
            fit["epoch_loop.state_dict"]["_batches_that_stepped"] += 1
        # A validation that was begun: Lightning begins it anew.
        begun = int(self._validate)
        counter = {"ready": begun, "started": begun, "processed": 0, "completed": 0}
        fit["epoch_loop.val_loop.batch_progress"] = {
            "total": dict(counter),
            "current": dict(counter),
            "is_last_batch": False,
        }
        checkpoint["ocr_trainer"] = {
            "place": {
                "epoch": fit["epoch_progress"]["current"]["processed"],
                "batches": batches["current"]["ready"],
                "whole_step": whole,
            }
        }

    def _agreed(self, trainer: Trainer) -> tuple[int, bool]:
        """Return which signal ends the run (0 for none) and whether to save now: alike for all processes."""
        minutes = self.config.every_minutes
        due = minutes is not None and time.monotonic() - self._since > 60 * minutes and trainer.is_global_zero
        if trainer.world_size == 1:
            return STOP.asked or 0, due
        flags = torch.tensor([STOP.asked or 0, due], device=trainer.strategy.root_device)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        asked, due = flags.tolist()
        return asked, bool(due)

    def _keep(self, trainer: Trainer) -> None:
        if self.folder is None or trainer.fast_dev_run:
            return
        trainer.save_checkpoint(self.folder / reading.LAST, storage_options=self.folder / reading.PREVIOUS)
        self._since, self._kept = time.monotonic(), trainer.global_step

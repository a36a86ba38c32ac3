"""The checkpoint callback: save the state of a run so that it resumes exactly.

`last.ckpt` is written at the end of an optimizer step: before each validation, at the end of an epoch,
every `checkpoint.every_n_steps` steps or `checkpoint.every_minutes` minutes, and when a signal ends the run.
When a model is scored, its state is therefore already on disk, and `best.ckpt` is a hard link to that file.

The position in a checkpoint always has the same form: a number of batches of an epoch are done, and a
validation that is due comes next. Lightning's loop state is normalized to this form.
"""

from __future__ import annotations

import logging
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.last_step import LastStep
from ocr_trainer.checkpoint.read import BEST, LAST, PREVIOUS, read
from ocr_trainer.config.schema import CheckpointConfig
from ocr_trainer.errors import CallbackRaised
from ocr_trainer.internals.lightning import (
    accumulating,
    batch_finished,
    is_fast_dev_run,
    normalize_position,
    save_alone,
    training_done,
    validation_due,
)
from ocr_trainer.runs.signals import STOP, Stopped

log = logging.getLogger("ocr_trainer")


class CheckpointFileIO(CheckpointIO):
    """Writes and reads checkpoints for Lightning. A failed write logs a warning and does not end the run."""

    failed: str | None = None
    """Why the latest write failed, or None."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: Tensors and plain values.
            path: The file to write or replace.
            storage_options: Another name for the file that is replaced, or None.
        """
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
        """Log what could not be written, and the free disk space."""
        folder = next(parent for parent in path.parents if parent.is_dir())
        self.failed = (
            f"{what} cannot be written: {error.strerror or error} "
            f"({needed / 1e6:.1f} MB needed, {shutil.disk_usage(folder).free / 1e6:.1f} MB free in {folder})"
        )
        log.warning("%s\n  the previous checkpoint is unchanged; training continues", self.failed)

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Read and verify a checkpoint."""
        return read(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def storage_of(trainer: Trainer) -> CheckpointFileIO:
    """Return the checkpoint IO of a Trainer that `build_trainer` made."""
    storage = trainer.strategy.checkpoint_io
    assert isinstance(storage, CheckpointFileIO)
    return storage


def _sizes(value: Any) -> Iterator[int]:
    """Yield the size in bytes of each tensor in a nested structure."""
    if isinstance(value, torch.Tensor):
        yield value.nbytes
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _sizes(item)


class CheckpointCallback(Callback):
    """Writes `last.ckpt`, `previous.ckpt` and, if there are scores, `best.ckpt`. Ends the run on signals.

    A validation is the best so far if the module says so, by its attribute `improved`.

    Args:
        folder: Where to write checkpoints, or None to write none.
        config: When to write them.
        rescue: Whether to save the last whole step if a plugin callback raises within the next one.
    """

    state_key = "ocr_trainer.CheckpointCallback"
    """Checkpoints of version 0.1 have a state under this key. Now the module keeps the best scores."""

    def __init__(self, folder: Path | None, config: CheckpointConfig, rescue: bool = False) -> None:
        self.folder, self.config, self.rescue = folder, config, rescue
        self._saved_at: int | None = None
        """The step after which `last.ckpt` was written."""
        self._validate = False
        """Whether a validation follows the latest batch."""
        self._unsaved: LastStep | None = None
        """The last whole step, if it is not saved."""
        self._rewind_to: LastStep | None = None
        """The step to save while a later one is unfinished."""

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Register the signal handlers."""
        # Lightning has registered its own just before this hook.
        STOP.register()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Register the signal handlers and start the timer."""
        STOP.register()
        # A signal may have come while Lightning's handler was in place.
        if trainer.received_sigterm:
            raise Stopped(signal.SIGTERM)
        self._since = time.monotonic()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Register the signal handlers. Lightning's would make processes wait for each other."""
        STOP.register()

    def after_batch(self, trainer: Trainer) -> None:
        """Save the state if it is due. End the run if a signal arrived.

        `build_trainer` has this called when the loggers have the figures of the step: a run that is killed
        right after it does not repeat the step.

        Raises:
            Stopped: A signal arrived, in this process or another; the state is saved.
        """
        if accumulating(trainer):
            return
        signum, due = self._agree(trainer)
        self._validate = validation_due(trainer)
        steps = self.config.every_n_steps
        # A batch without images leaves global_step as it is.
        due |= (
            steps is not None and trainer.global_step % steps == 0 and trainer.global_step != self._saved_at
        )
        if signum or due or self._validate or training_done(trainer) or trainer.should_stop:
            self._save(trainer)
            self._unsaved = None
        elif self._unsaved is not None:
            self._unsaved.update(trainer)
        elif self.rescue:
            self._unsaved = LastStep(trainer)
        if signum:
            raise Stopped(signum)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """End the run if a signal arrived: the state was saved before the validation.

        Two cases wait for the next optimizer step: within accumulated gradients the state was not saved, and
        several processes must end after the same batch.

        Raises:
            Stopped: A signal arrived.
        """
        if STOP.asked is not None and trainer.world_size == 1 and not accumulating(trainer):
            raise Stopped(STOP.asked)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the state as the best checkpoint if its score is the best so far."""
        if trainer.sanity_checking or not getattr(pl_module, "improved", False):
            return
        if self.folder is None or is_fast_dev_run(trainer):
            return
        if accumulating(trainer):
            # Within accumulated gradients: last.ckpt is of an earlier step, so it is not what was scored.
            trainer.save_checkpoint(self.folder / BEST)
        elif trainer.is_global_zero and storage_of(trainer).failed is None:
            storage_of(trainer).link_as(self.folder / LAST, self.folder / BEST)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save the last whole step if a plugin callback ends training after it.

        The other processes, if any, may be in another place or gone: nothing here waits for them.
        """
        several = trainer.world_size > 1
        # Where the callback raises in another process, this one finds that process lost: a RuntimeError.
        elsewhere = self.rescue and several and isinstance(exception, RuntimeError)
        shards = several and not isinstance(trainer.strategy, DDPStrategy)
        if not (isinstance(exception, CallbackRaised) or elsewhere) or not trainer.training or shards:
            return
        if batch_finished(trainer) and not accumulating(trainer):
            self._validate = validation_due(trainer)
        elif self._unsaved is not None:
            # The unfinished step has changed no weights.
            self._rewind_to, self._validate = self._unsaved, False
            self._unsaved.restore_buffers()
        else:
            return
        if self.folder is not None and not is_fast_dev_run(trainer):
            save_alone(trainer, self.folder / LAST, self.folder / PREVIOUS)

    def on_save_checkpoint(self, trainer: Trainer, _: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Normalize Lightning's loop state, and add the position in training."""
        whole_step = not accumulating(trainer)
        if self._rewind_to is not None:
            checkpoint["loops"]["fit_loop"], whole_step = self._rewind_to.position, True
        epoch, batches = normalize_position(checkpoint, self._validate, whole_step)
        checkpoint["ocr_trainer"] = {"place": {"epoch": epoch, "batches": batches, "whole_step": whole_step}}

    def _agree(self, trainer: Trainer) -> tuple[int, bool]:
        """Return the signal that ends the run (0 for none) and whether to save now, for all processes."""
        minutes = self.config.every_minutes
        due = minutes is not None and time.monotonic() - self._since > 60 * minutes and trainer.is_global_zero
        if trainer.world_size == 1:
            return STOP.asked or 0, due
        flags = torch.tensor([STOP.asked or 0, due], device=trainer.strategy.root_device)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        signum, due = flags.tolist()
        return signum, bool(due)

    def _save(self, trainer: Trainer) -> None:
        if self.folder is None or is_fast_dev_run(trainer):
            return
        trainer.save_checkpoint(self.folder / LAST, storage_options=self.folder / PREVIOUS)
        self._since, self._saved_at = time.monotonic(), trainer.global_step

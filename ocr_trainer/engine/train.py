"""The story of a run: seed, build, fit, test, report."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn
from torch.utils.data import DataLoader

from ocr_trainer.checkpoint.callback import storage_of
from ocr_trainer.checkpoint.files import link_as
from ocr_trainer.checkpoint.init_from import WeightLoadReport, load_initial_weights
from ocr_trainer.checkpoint.read import (
    BEST,
    LAST,
    ResumePoint,
    find_newest,
    model_state,
    prepare_folder,
    read,
    set_options,
)
from ocr_trainer.checkpoint.resume import prepare_resume
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.data.open import open_splits
from ocr_trainer.data.workers import report_worker_errors
from ocr_trainer.engine import build, distributed, report
from ocr_trainer.engine.callbacks.nonfinite import NonfiniteGuard
from ocr_trainer.engine.callbacks.oom import LatestBatch, explain_memory
from ocr_trainer.engine.callbacks.sanity import SanityCheck
from ocr_trainer.engine.loggers import close
from ocr_trainer.engine.loggers import told as loggers_told
from ocr_trainer.errors import CheckpointError, MemoryExhausted
from ocr_trainer.plugin import Task
from ocr_trainer.runs import timing
from ocr_trainer.runs.resume import BEFORE, REPORT, resume_history
from ocr_trainer.runs.run_dir import is_first
from ocr_trainer.runs.signals import STOP, Stopped, in_main_thread
from ocr_trainer.tasks.base import LearningTask, task_class

log = logging.getLogger("ocr_trainer")

SILENCED = (
    # What it advises against is chosen here, on purpose.
    ".*does not have many workers.*",
    ".*number of training batches.*",
    ".*Checkpoint directory.*",
    ".*but have no `val_dataloader`.*",
    ".*GPU available but not used.*",
    ".*dataloader shuffling.*",
    ".*`Trainer\\(barebones=True\\)` is configured.*",
    # Our loaders go on where they were; that a callback is no longer wanted is the user's choice.
    ".*Be aware that when using `ckpt_path`.*",
    ".*your dataloader is not resumable.*",
    # The scores are of all processes.
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    # Of gradients of 1 x 1 filters, whose strides may be written in several ways.
    ".*Grad strides do not match bucket view strides.*",
    # Lightning's own use of a torch function that torch 2.13 deprecates.
    ".*isinstance\\(treespec, LeafSpec\\).*",
)


class ToStandardError(logging.Handler):
    """Writes to whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless it goes to a disk that is full: a warning does not end a run."""
        with suppress(OSError):
            print(self.format(record), file=sys.stderr)


class FirstStepTimer(Callback):
    """Notes when the first training step was done."""

    seconds: float | None = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Take the time once."""
        if self.seconds is None:
            self.seconds = timing.since_start()


@STOP.listening()
def train(run: RunConfig, folder: Path, timer: timing.PhaseTimer) -> dict[str, Any]:
    """Train, test the best checkpoint, and report; go on where the folder's checkpoints end, if it has any.

    Args:
        run: A checked configuration.
        folder: The run's own folder.
        laps: The phases so far.

    Returns:
        What report.json says.

    Raises:
        OcrTrainerError: The data or a plugin cannot serve.
        Stopped: A signal ended the run.
    """
    imported(timer)
    found = find_newest(folder / "checkpoints")
    if is_first():
        prepare_folder(folder / "checkpoints", found)
    if found is not None:
        run = replace(run, model=run.model.without_init_weights(), init_from=None)
    seed_everything(run.seed, verbose=False)
    # One that was stopped before its first checkpoint goes on, too: from its beginning.
    step = found.content["global_step"] if found is not None else 0 if resume_history(folder) else None
    context = build.context(run, folder, step)
    kind = task_class(context.task)
    run, context, splits = kind.prepare(run, context, open_splits(run, context))
    model = build.build_model(run, context)
    weight_report = take_over(model, run)
    loaders = build.build_loaders(run, model, context, splits)
    task = kind(model, run, folder, loaders.train_images)
    loggers = build.build_loggers(run, context)
    scored, keeper = loaders.val is not None, build.build_checkpoint_callback(run, folder, task.monitor)
    first, look, latest, finite = (
        FirstStepTimer(),
        SanityCheck(),
        LatestBatch(),
        NonfiniteGuard(run.optimizer),
    )
    stopping = build.early_stopping(run, task.monitor, scored)
    trainer = build.build_trainer(
        run, loaders, loggers, [finite, latest, look, first, *stopping, keeper], folder
    )
    distributed.check_enough_samples(loaders.samples(), trainer.world_size)
    for logger in loggers:
        logger.log_hyperparams(plain(run))
    if found is not None:
        prepare_resume(found, run, model, loaders)
    timer.end("build")

    collect_again()
    with (
        distributed.joint_shutdown(run.distributed.timeout),
        report_worker_errors(loaders.all()),
        explaining(latest, run, context.task),
    ):
        fit(trainer, task, loaders, found)
        timer.end("fit")
        checkpoint = keep_best(folder / "checkpoints", trainer)
        scores = task.best_scores
        calibration = None
        if checkpoint is not None and loaders.calibrate is not None:
            calibration = calibrate_best(task, checkpoint, loaders.calibrate, trainer)
            timer.end("calibrate")
        if loaders.test is not None:
            scores = scores | trainer.test(task, loaders.test, ckpt_path=checkpoint, verbose=False)[0]
        timer.end("test")
    close(loggers)
    task.skipped = distributed.gather_dict(task.skipped)
    told = {
        "scores": scores,
        "test_split": loaders.test_split,
        "calibration": calibration,
        "best_checkpoint": str(checkpoint.relative_to(folder)) if checkpoint else None,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        **report.summary(run, trainer, task, context.data_report),
        "data": splits.report,
        "notes": look.notes,
        "nonfinite": finite.to_dict(),
        "loggers": loggers_told(loggers),
        "resumed": resume_history(folder),
        "init_from": weight_report.to_dict() if weight_report is not None else None,
        "seconds": timer.seconds,
        "first_step_after": first.seconds,
    }
    if trainer.is_global_zero:
        failed = storage_of(trainer).failed
        report.write(folder, told, REPORT if failed is None else BEFORE)
        print(report.table(told, folder))
        if failed is not None:
            raise CheckpointError(
                f"the run came to its end, but its last state was not kept: {failed}\n"
                f"  make room, and: ocr-train resume {folder}"
            )
    return told


def take_over(model: nn.Module, run: RunConfig) -> WeightLoadReport | None:
    """Begin with the weights of `init_from`, if it is given, and say what did not fit."""
    if run.init_from is None:
        return None
    weight_report = load_initial_weights(model, run.model, run.init_from)
    if is_first():
        print(weight_report, file=sys.stderr)
    return weight_report


@contextmanager
def explaining(latest: LatestBatch, run: RunConfig, task: Task) -> Iterator[None]:
    """Say in our words that the memory did not suffice.

    Raises:
        MemoryExhausted: It did not.
    """
    try:
        yield
    except Exception as error:  # cv2, numpy and torch each have an error of their own for it
        if said := explain_memory(error, latest, run, task):
            raise MemoryExhausted(said) from error
        raise


def fit(trainer: Trainer, task: LearningTask, loaders: build.Loaders, found: ResumePoint | None) -> None:
    """Train; a signal ends it between two steps.

    Raises:
        Stopped: It did.
    """
    if not in_main_thread():
        log.warning("this is not the main thread, so signals are not handled")
    STOP.patient = True
    try:
        if STOP.asked is None:
            trainer.fit(task, loaders.train, loaders.val, ckpt_path=found and found.path)
            # One that came after the last step: to any of the processes, so to all.
            flag = torch.tensor(STOP.asked or 0, device=trainer.strategy.root_device)
            if asked := int(trainer.strategy.reduce(flag, reduce_op="max")):
                raise Stopped(asked)
    except SIGTERMException as error:
        # Of one that came before ours took over from Lightning's.
        raise Stopped(signal.SIGTERM) from error
    finally:
        STOP.patient = False
    if STOP.asked is not None:
        raise Stopped(STOP.asked)


def keep_best(checkpoints: Path, trainer: Trainer) -> Path | None:
    """Return the best checkpoint; where nothing was scored, the last is that, too."""
    best, last = checkpoints / BEST, checkpoints / LAST
    if trainer.is_global_zero and not best.is_file() and last.is_file():
        link_as(last, best)
    trainer.strategy.barrier("best")
    return best if best.is_file() else None


def calibrate_best(
    task: LearningTask, best: Path, val: DataLoader[Any], trainer: Trainer
) -> dict[str, Any] | None:
    """Let validation data choose how the best checkpoint decodes; write that into it."""
    task.model.load_state_dict(model_state(read(best)))
    told = task.calibrate(val, trainer.strategy.root_device, trainer.precision_plugin.forward_context)
    if told is not None and trainer.is_global_zero:
        set_options(best, told["chosen"], told)
    return told


def imported(timer: timing.PhaseTimer) -> None:
    """Do what every command does once what it needs is imported."""
    quieten()
    spare_imports()
    timer.end("import")


def collect_again() -> None:
    """Start the garbage collector, which the command line paused."""
    gc.enable()


def spare_imports() -> None:
    """Keep what was imported out of the garbage collector's way, for good.

    Called before anything is built: what a run of a sweep builds, the next must be free of.
    """
    if not gc.isenabled():
        gc.freeze()


def quieten() -> None:
    """Keep Lightning's advice to itself, which is for people who write training scripts; pass on ours."""
    ours = logging.getLogger("ocr_trainer")
    if not ours.handlers:
        ours.addHandler(ToStandardError())
        ours.setLevel(logging.INFO)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in SILENCED:
        warnings.filterwarnings("ignore", message=message)

"""The story of a run: seed, build, fit, test, report."""

from __future__ import annotations

import gc
import logging
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader

from ocr_trainer import clock
from ocr_trainer.plugin import Kind
from ocr_trainer.schema import RunConfig, plain
from ocr_trainer.training import build, report
from ocr_trainer.training.adopt import Adopted, adopt
from ocr_trainer.training.checkpoint import model_state, read, set_options
from ocr_trainer.training.first_batch import FirstBatch
from ocr_trainer.training.splits import open_splits
from ocr_trainer.training.task import LearningTask, task_class

SILENCED = (
    # What it advises against is chosen here, on purpose.
    ".*does not have many workers.*",
    ".*number of training batches.*",
    ".*Checkpoint directory.*",
    ".*but have no `val_dataloader`.*",
    ".*GPU available but not used.*",
    ".*dataloader shuffling.*",
    ".*`Trainer\\(barebones=True\\)` is configured.*",
    # Lightning's own use of a torch function that torch 2.13 deprecates.
    ".*isinstance\\(treespec, LeafSpec\\).*",
)


class ToStandardError(logging.Handler):
    """Writes to whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        print(self.format(record), file=sys.stderr)


class FirstStep(Callback):
    """Notes when the first training step was done."""

    seconds: float | None = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Take the time once."""
        if self.seconds is None:
            self.seconds = clock.since_start()


def train(run: RunConfig, folder: Path, laps: clock.Laps) -> dict[str, Any]:
    """Train, test the best checkpoint, and report.

    Args:
        run: A checked configuration.
        folder: The run's own folder.
        laps: The phases so far.

    Returns:
        What report.json says.

    Raises:
        OcrTrainerError: The data or a plugin cannot serve.
    """
    imported(laps)
    seed_everything(run.seed, verbose=False)
    context = build.context(run, folder)
    kind = task_class(context.task)
    run, context, splits = kind.prepare(run, context, open_splits(run, context))
    model = build.build(Kind.model, run.model, context)
    adopted = take_over(model, run)
    loaders = build.build_loaders(run, model, context, splits)
    task = kind(model, run, folder, loaders.train_images)
    loggers = build.build_loggers(run, context)
    first, look = FirstStep(), FirstBatch()
    keepers = build.keepers(run, folder, task.monitor, scored=loaders.val is not None)
    trainer = build.build_trainer(run, loaders, loggers, [look, first, *keepers], folder)
    for logger in loggers:
        logger.log_hyperparams(plain(run))
    laps.end("build")

    collect_again()
    fit(trainer, task, loaders, folder)
    laps.end("fit")
    checkpoint = keep_best(folder / "checkpoints")
    scores = task.best_scores
    calibration = None
    if checkpoint is not None and loaders.calibrate is not None:
        calibration = calibrate_best(task, checkpoint, loaders.calibrate, trainer)
        laps.end("calibrate")
    if loaders.test is not None:
        scores = scores | trainer.test(task, loaders.test, ckpt_path=checkpoint, verbose=False)[0]
    laps.end("test")
    told = {
        "scores": scores,
        "test_split": loaders.test_split,
        "calibration": calibration,
        "best_checkpoint": str(checkpoint.relative_to(folder)) if checkpoint else None,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        **report.summary(run, trainer, task, context.ledger),
        "data": splits.told,
        "notes": look.notes,
        "init_from": adopted.told() if adopted is not None else None,
        "seconds": laps.seconds,
        "first_step_after": first.seconds,
    }
    if trainer.is_global_zero:
        report.write(folder, told)
        print(report.table(told, folder))
    for logger in loggers:
        if hasattr(logger, "close"):
            logger.close()
    return told


def take_over(model: nn.Module, run: RunConfig) -> Adopted | None:
    """Begin with the weights of `init_from`, if it is given, and say what did not fit."""
    if run.init_from is None:
        return None
    adopted = adopt(model, run.model, run.init_from)
    print(adopted, file=sys.stderr)
    return adopted


def fit(trainer: Trainer, task: LearningTask, loaders: build.Loaders, folder: Path) -> None:
    """Train; where the user stops it, say what there is."""
    try:
        trainer.fit(task, loaders.train, loaders.val)
    except SystemExit:
        # Lightning ends the process so on Ctrl-C and SIGTERM.
        print(f"ocr-train: stopped; what there is so far: {folder}", file=sys.stderr)
        raise


def keep_best(checkpoints: Path) -> Path | None:
    """Return the best checkpoint; where nothing was scored, make it of the last."""
    best, last = checkpoints / "best.ckpt", checkpoints / "last.ckpt"
    if not best.is_file() and last.is_file():
        shutil.copyfile(last, best)
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


def imported(laps: clock.Laps) -> None:
    """Do what every command does once what it needs is imported."""
    quieten()
    spare_imports()
    laps.end("import")


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

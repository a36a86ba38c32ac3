"""`ocr-train test`: score the model of a checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.data.open import open_test
from ocr_trainer.data.workers import report_worker_errors
from ocr_trainer.engine import build, report
from ocr_trainer.engine.scored_on import same_data, scored_on
from ocr_trainer.engine.startup import after_imports, print_notes
from ocr_trainer.engine.trainer_options import make_trainer, option_errors
from ocr_trainer.evaluation.rebuild import rebuild
from ocr_trainer.runs import collector, timing
from ocr_trainer.tasks.base import task_class


def test(
    run: RunConfig, saved: dict[str, Any], checkpoint: str, folder: Path, timer: timing.PhaseTimer
) -> dict[str, Any]:
    """Score a checkpoint on the test split, or on val without one, and write report.json.

    Args:
        run: The configuration of its training, with overrides.
        saved: The content of the checkpoint.
        checkpoint: The path of the checkpoint, for the report.
        folder: Where to write the report.
        timer: The timer of the process; it already has the phases before this call.

    Returns:
        The content of report.json.

    Raises:
        OcrTrainerError: The data or a plugin cannot be used.
    """
    after_imports(timer)
    ours = saved["ocr_trainer"]
    model = rebuild(run, saved, folder)
    context = run_context(run, folder)
    kind = task_class(context.task)
    run, context, splits = kind.prepare(run, context, open_test(run, context, same_data(run, ours["config"])))
    print_notes(context.data_report)
    loader = kind.scoring_loader(splits.test, model, run)
    task = kind(model, run, folder, len(splits.test))
    task.restore_training(ours)
    loggers = build.build_loggers(run, context)
    trainer = tester(run, loader, loggers, folder)
    collector.resume()
    timer.end("build")
    with report_worker_errors([loader]), option_errors():
        scores = trainer.test(task, loader, verbose=False)[0]
    timer.end("test")
    content = {
        "checkpoint": checkpoint,
        "scores": dict(scores),
        "test_split": splits.test_split,
        "tested_on": scored_on(
            splits.test_split,
            task.scored,
            context.data_report.images,
            run,
            ours,
            ours.get("calibration"),
        ),
        "data": splits.report,
        "notes": task.score_notes(),
        **report.summary(run, trainer, task, context.data_report),
        "seconds": timer.seconds,
    }
    report.write(folder, content)
    return content


def tester(run: RunConfig, loader: Loader, loggers: Sequence[Logger], folder: Path) -> Trainer:
    """Return a Trainer that runs a test on a loader."""
    return make_trainer(
        accelerator=run.trainer.accelerator,
        devices=run.trainer.devices,
        precision=run.trainer.precision,
        limit_test_batches=build.at_least_one_batch(run.trainer.limit_test_batches, len(loader)),
        logger=list(loggers) or False,
        enable_progress_bar=sys.stdout.isatty() and run.trainer.enable_progress_bar is not False,
        default_root_dir=folder,
    )

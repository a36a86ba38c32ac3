"""Run training from start to end: build, fit, calibrate, test, report."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from ocr_trainer.checkpoint.callback import storage_of
from ocr_trainer.checkpoint.files import link_as
from ocr_trainer.checkpoint.read import BEST, LAST, model_state, read, set_options
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.engine import distributed, report
from ocr_trainer.engine.loggers import close, failures
from ocr_trainer.engine.scored_on import scored_on
from ocr_trainer.engine.session import Session, build_session
from ocr_trainer.engine.startup import after_imports
from ocr_trainer.engine.trainer_options import written_profiles
from ocr_trainer.errors import CheckpointError
from ocr_trainer.runs import collector, timing
from ocr_trainer.runs.resume import BEFORE, REPORT, resume_history
from ocr_trainer.runs.signals import STOP, Stopped, in_main_thread
from ocr_trainer.tasks.base import LearningTask
from ocr_trainer_runtime.text.visible import echo

log = logging.getLogger("ocr_trainer")


@STOP.listening()
def train(run: RunConfig, folder: Path, timer: timing.PhaseTimer) -> dict[str, Any]:
    """Train, test the best checkpoint, and write the report. Resume if the folder has checkpoints.

    Args:
        run: A validated configuration.
        folder: The run directory.
        timer: The timer of the process; it already has the phases before this call.

    Returns:
        The content of report.json.

    Raises:
        OcrTrainerError: The data or a plugin cannot be used.
        Stopped: A signal ended the run.
    """
    after_imports(timer)
    session = build_session(run, folder)
    timer.end("build")
    collector.resume()
    with session.error_reports():
        fit(session)
        timer.end("fit")
        checkpoint = keep_best(folder / "checkpoints", session.trainer)
        calibration = calibrate(session, checkpoint, timer)
        # Without a best validation, the last state is the best checkpoint: see `keep_best`.
        scores = (session.task.best_scores or session.task.latest_scores) | test(session, checkpoint)
        timer.end("test")
    close(session.loggers)
    content = _report(session, scores, checkpoint, calibration, timer)
    _publish(session, content)
    return content


def fit(session: Session) -> None:
    """Train. A signal ends training between two steps.

    Raises:
        Stopped: A signal ended training.
    """
    trainer, point = session.trainer, session.resume_point
    if not in_main_thread():
        log.warning("this is not the main thread, so signals are not handled")
    STOP.patient = True
    try:
        if STOP.asked is None:
            path = point.path if point is not None else None
            trainer.fit(session.task, session.loaders.train, session.loaders.val, ckpt_path=path)
            # A signal after the last step may have reached only one of several processes; all must stop.
            flag = torch.tensor(STOP.asked or 0, device=trainer.strategy.root_device)
            if asked := int(trainer.strategy.reduce(flag, reduce_op="max")):
                raise Stopped(asked)
    except SIGTERMException as error:
        # The signal came before our handler replaced Lightning's.
        raise Stopped(signal.SIGTERM) from error
    finally:
        STOP.patient = False
    if STOP.asked is not None:
        raise Stopped(STOP.asked)


def keep_best(checkpoints: Path, trainer: Trainer) -> Path | None:
    """Return the best checkpoint, or None without checkpoints. Without scores, the last one is the best."""
    best, last = checkpoints / BEST, checkpoints / LAST
    if trainer.is_global_zero and not best.is_file() and last.is_file():
        link_as(last, best)
    trainer.strategy.barrier("best")
    return best if best.is_file() else None


def calibrate(session: Session, checkpoint: Path | None, timer: timing.PhaseTimer) -> dict[str, Any] | None:
    """Calibrate the best checkpoint on validation data, if the task supports it and the options enable it."""
    if checkpoint is None or session.loaders.calibrate is None:
        return None
    calibration = calibrate_best(session.task, checkpoint, session.loaders.calibrate, session.trainer)
    timer.end("calibrate")
    return calibration


def calibrate_best(
    task: LearningTask[Any], best: Path, val: DataLoader[Any], trainer: Trainer
) -> dict[str, Any] | None:
    """Choose the decoding options of a checkpoint on validation data, and write them into the checkpoint."""
    task.model.load_state_dict(model_state(read(best)))
    forward_context = trainer.precision_plugin.forward_context
    calibration = task.calibrate(val, trainer.strategy.root_device, forward_context)
    if calibration is not None and trainer.is_global_zero:
        set_options(best, calibration["chosen"], calibration)
    return calibration


def test(session: Session, checkpoint: Path | None) -> dict[str, float]:
    """Return the scores of the best checkpoint on the test split, or an empty dictionary without one."""
    if session.loaders.test is None:
        return {}
    scores = session.trainer.test(session.task, session.loaders.test, ckpt_path=checkpoint, verbose=False)
    return dict(scores[0])


def _report(
    session: Session,
    scores: dict[str, float],
    checkpoint: Path | None,
    calibration: dict[str, Any] | None,
    timer: timing.PhaseTimer,
) -> dict[str, Any]:
    """Return the content of report.json."""
    task, trainer = session.task, session.trainer
    task.skipped = distributed.gather_dict(task.skipped)
    weights = session.weight_report
    return {
        "scores": scores,
        "test_split": session.loaders.test_split,
        "tested_on": scored_on(
            session.loaders.test_split,
            task.scored,
            session.context.data_report.images,
            session.run,
            calibration=calibration,
        ),
        "calibration": calibration,
        "best_checkpoint": str(checkpoint.relative_to(session.folder)) if checkpoint else None,
        "monitor": task.monitor.key,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        **report.summary(session.run, trainer, task, session.context.data_report),
        "data": session.splits.report,
        "notes": session.notes,
        "nonfinite": session.nonfinite.to_dict(),
        "loggers": failures(session.loggers),
        "profiles": written_profiles(session.folder) if session.run.trainer.profiler else [],
        "resumed": resume_history(session.folder),
        "init_from": weights.to_dict() if weights is not None else None,
        "seconds": timer.seconds,
        "first_step_after": session.first_step.seconds,
    }


def _publish(session: Session, content: dict[str, Any]) -> None:
    """Write report.json and print the closing table, in rank 0.

    Raises:
        CheckpointError: The last state could not be saved. The report then has another name, so that the run
            counts as unfinished and can be resumed.
    """
    if not session.trainer.is_global_zero:
        return
    failed = storage_of(session.trainer).failed
    report.write(session.folder, content, REPORT if failed is None else BEFORE)
    gain = session.task.calibration_gain(content["calibration"]) if content["calibration"] else ""
    echo(report.table(content, session.folder, gain))
    if failed is not None:
        raise CheckpointError(
            f"the run finished, but its last state was not saved: {failed}\n"
            f"  free disk space and run: ocr-train resume {session.folder}"
        )

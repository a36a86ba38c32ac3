"""Build all parts of a run from its configuration: data, model, loaders, loggers, callbacks, Trainer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import Logger
from torch import nn

from ocr_trainer.checkpoint.callback import CheckpointCallback
from ocr_trainer.checkpoint.init_from import WeightLoadReport, load_initial_weights
from ocr_trainer.checkpoint.read import ResumePoint, find_newest, prepare_folder
from ocr_trainer.checkpoint.resume import check_same_run, check_state, prepare_resume
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.data.open import open_splits
from ocr_trainer.data.split import Splits
from ocr_trainer.data.workers import report_worker_errors
from ocr_trainer.engine import build, distributed
from ocr_trainer.engine.callbacks.guard import CallbackGuard, check_state_keys, dropped_states
from ocr_trainer.engine.callbacks.nonfinite import NonfiniteGuard
from ocr_trainer.engine.callbacks.oom import LatestBatch, explain_memory
from ocr_trainer.engine.callbacks.sanity import SanityCheck
from ocr_trainer.engine.startup import print_notes
from ocr_trainer.engine.trainer_options import option_errors
from ocr_trainer.errors import MemoryExhausted
from ocr_trainer.optim.ema import WeightEma
from ocr_trainer.plugin import Context
from ocr_trainer.runs import timing
from ocr_trainer.runs.identity import make_identity, write_identity
from ocr_trainer.runs.resume import resume_history
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.tasks.base import LearningTask, task_class
from ocr_trainer_runtime.text.visible import echo


class FirstStepTimer(Callback):
    """Measures the time from the start of the process to the end of the first training step."""

    seconds: float | None = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Record the time once."""
        if self.seconds is None:
            self.seconds = timing.since_start()


@dataclass(frozen=True)
class Session:
    """The parts of a run, ready to train."""

    run: RunConfig
    """The configuration, completed with what the data decides, such as the charset."""
    folder: Path
    resume_point: ResumePoint | None
    context: Context
    splits: Splits
    loaders: build.Loaders
    task: LearningTask[Any]
    loggers: list[Logger]
    trainer: Trainer
    weight_report: WeightLoadReport | None
    first_step: FirstStepTimer
    sanity: SanityCheck
    latest_batch: LatestBatch
    nonfinite: NonfiniteGuard
    callbacks: list[CallbackGuard]
    """The callbacks of plugins."""

    @property
    def notes(self) -> list[str]:
        """Unusual findings that may be intended, for report.json."""
        of_callbacks = (note for guard in self.callbacks for note in guard.notes)
        of_data = self.context.data_report.messages()
        return [*of_data, *self.sanity.notes, *of_callbacks, *self.task.score_notes()]

    @contextmanager
    def error_reports(self) -> Iterator[None]:
        """Convert errors of workers, of other processes and of memory into errors that explain them.

        Raises:
            ConfigError: Lightning cannot use an option of the Trainer.
            DataError: A data worker failed.
            ProcessLost: Another process of the run ended or does not answer.
            MemoryExhausted: The GPU or the machine is out of memory.
        """
        with (
            distributed.joint_shutdown(self.run.distributed.timeout),
            report_worker_errors(self.loaders.all()),
            self._memory_report(),
            option_errors(),
        ):
            yield

    @contextmanager
    def _memory_report(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # OpenCV, NumPy and torch each raise types of their own
            if explanation := explain_memory(error, self.latest_batch, self.run, type(self.task)):
                raise MemoryExhausted(explanation) from error
            raise


def build_session(run: RunConfig, folder: Path) -> Session:
    """Build all parts of a run. Resume from the newest checkpoint in its folder if there is one.

    Args:
        run: A validated configuration.
        folder: The run directory.

    Raises:
        OcrTrainerError: The data, a checkpoint or a plugin cannot be used.
    """
    point = _resume_point(run, folder)
    if point is not None:
        run = run.resumed(point.content["ocr_trainer"]["config"])
    seed_everything(run.seed, verbose=False)
    context = run_context(run, folder, _first_step(point, folder))
    kind = task_class(context.task)
    run, context, splits = kind.prepare(run, context, open_splits(run, context))
    print_notes(context.data_report)
    model = build.build_model(run, context)
    kind.check_fit(model, run, splits)
    weight_report = initialize_weights(model, run, kind)
    loaders = build.build_loaders(run, model, context, splits)
    task = kind(model, run, folder, loaders.train_images)
    loggers = build.build_loggers(run, context)
    first_step, sanity, latest_batch = FirstStepTimer(), SanityCheck(), LatestBatch()
    nonfinite = NonfiniteGuard(run.optimizer)
    # The order matters: the guard of a step runs before its timer, and the checkpoint callback runs last, so
    # that a checkpoint has the new state of all other callbacks.
    callbacks: list[Callback] = [nonfinite, latest_batch, sanity, first_step]
    guards = build.build_callbacks(run, context)
    callbacks += [guard.callback for guard in guards]
    callbacks += build.early_stopping(run, loaders.val is not None)
    callbacks.append(build.build_checkpoint_callback(run, folder))
    check_state_keys(callbacks, guards)
    trainer = build.build_trainer(run, loaders, loggers, callbacks, folder)
    distributed.check_enough_samples(loaders.samples(), trainer.world_size)
    for logger in loggers if run.trainer.enable_autolog_hparams else ():
        logger.log_hyperparams(plain(run))
    if point is not None:
        prepare_resume(point, run, model, loaders.train)
        check_state(point, run, trainer)
        report_dropped_states(point, trainer.callbacks)  # type: ignore[attr-defined]
    return Session(
        run,
        folder,
        point,
        context,
        splits,
        loaders,
        task,
        loggers,
        trainer,
        weight_report,
        first_step,
        sanity,
        latest_batch,
        nonfinite,
        guards,
    )


def initialize_weights(
    model: nn.Module, run: RunConfig, kind: type[LearningTask[Any]]
) -> WeightLoadReport | None:
    """Load the weights of `init_from`, if it is set, and print what does not fit."""
    if run.init_from.path is None:
        return None
    report = load_initial_weights(
        model, run.model, run.init_from.path, kind.adapt_weights, run.init_from.partial
    )
    if is_rank_zero():
        echo(report, file=sys.stderr)
    return report


def report_dropped_states(point: ResumePoint, callbacks: list[Callback]) -> None:
    """Print which states of callbacks in a checkpoint the resumed run does not take."""
    own = [cls.__qualname__ for cls in (NonfiniteGuard, build.Patience, WeightEma)]
    dropped = dropped_states(point.content, callbacks, [*own, CheckpointCallback.state_key])
    if dropped and is_rank_zero():
        echo(
            f"ocr-train: dropped the state of callbacks that are in {point.path.name}, but not in this run: "
            f"{', '.join(dropped)}",
            file=sys.stderr,
        )


def _resume_point(run: RunConfig, folder: Path) -> ResumePoint | None:
    """Return the newest checkpoint of a run, and prepare its folder for new checkpoints."""
    point = find_newest(folder / "checkpoints")
    if point is not None:
        check_same_run(point, run, folder)
    if is_rank_zero():
        saved = point.content["ocr_trainer"].get("run") if point is not None else None
        write_identity(folder, saved or make_identity(run))
        prepare_folder(folder / "checkpoints", point)
    return point


def _first_step(point: ResumePoint | None, folder: Path) -> int | None:
    """Return the optimizer step that a resumed run continues from, or None for a new run."""
    if point is not None:
        return int(point.content["global_step"])
    # A run that was stopped before its first checkpoint also resumes, from its beginning.
    return 0 if resume_history(folder) else None

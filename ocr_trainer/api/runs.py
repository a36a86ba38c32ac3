"""Train and resume runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ocr_trainer.api.guest import guest, libraries
from ocr_trainer.api.overrides import overrides_of
from ocr_trainer.errors import ConfigError
from ocr_trainer.runs import run_dir
from ocr_trainer.runs.identity import make_identity, write_identity
from ocr_trainer.runs.resume import (
    REPORT,
    begin_resume,
    find_earlier_run,
    is_finished,
    resume_requested,
    saved_config,
)
from ocr_trainer.runs.signals import Stopped
from ocr_trainer.runs.timing import PhaseTimer
from ocr_trainer_runtime.text.visible import visible

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

_training = Lock()
"""A process trains one run at a time: seeds and the lock of the run directory belong to the process."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    """The run directory."""
    config: RunConfig = field(repr=False)
    """Its configuration; `str(run.config)` is YAML."""
    report: dict[str, Any] = field(repr=False)
    """The content of its report.json: scores and their details, skipped items, versions, seconds."""

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the best checkpoint by name, such as `val/hmean` and `test/hmean`."""
        return dict(self.report["scores"])

    @property
    def best(self) -> Path | None:
        """The best checkpoint, or None for a run without checkpoints."""
        name = self.report["best_checkpoint"]
        return self.folder / name if name else None

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Return the finished run in a run directory.

        Raises:
            ConfigError: The folder has no run, or the run is not finished.
        """
        from ocr_trainer.config.compose import compose

        place = Path(folder).resolve()
        with guest():
            config = compose([], saved_config(place))
            if not (place / REPORT).is_file():
                raise ConfigError(f"the run in {place} is not finished: it has no {REPORT}")
            return cls(place, config, json.loads((place / REPORT).read_text(encoding="utf-8")))

    def _repr_html_(self) -> str:
        """Return the scores as a table, for notebooks."""
        return scores_table(self.scores, self.folder)


def scores_table(scores: Mapping[str, float], folder: Path) -> str:
    """Return scores as a table in HTML, with the folder as its caption."""
    from html import escape

    rows = "".join(
        f"<tr><td>{escape(visible(name))}</td><td>{value:.4f}</td></tr>" for name, value in scores.items()
    )
    return f"<table><caption>{escape(visible(str(folder)))}</caption>{rows}</table>"


def train(*overrides: str, **options: Any) -> Run:
    """Train, test and report a run. It prints its progress, as the command `ocr-train` does.

    ```python
    run = ocr.train("experiment=receipts", dataset={"root": "receipts"}, trainer={"max_epochs": 5})
    run.scores["test/hmean"], run.folder, run.best
    ```

    Ctrl-C stops the run after the current step. The run saves its state, and `resume` continues it.

    Args:
        overrides: Overrides as on the command line, such as `"model=dbnet"`.
        options: Overrides as keyword arguments: `model="dbnet"` or `trainer={"max_epochs": 5}`.

    Returns:
        The run. With `resume="auto"`, a run that is finished already is returned as it is.

    Raises:
        ConfigError: The configuration is wrong; the message lists all problems.
        OcrTrainerError: The data, a plugin or a checkpoint cannot be used, or training failed.
    """
    from ocr_trainer.config.compose import compose

    timer = PhaseTimer()
    with guest():
        return train_run(compose(overrides_of(overrides, options)), timer)


def train_run(run: RunConfig, timer: PhaseTimer | None = None) -> Run:
    """Train a run whose configuration is already composed, such as one of a sweep.

    Args:
        run: A validated configuration.
        timer: The timer of the run; it started before the configuration was composed.
    """
    timer = timer or PhaseTimer()
    with guest(), _one_at_a_time():
        run = with_architecture(run)
        folder = _shared_choice(lambda before: _find_or_create(run, before))
        if folder is not None:
            return _train_in(folder, run, timer)
    finished = find_earlier_run(run)
    assert finished is not None
    return Run.open(finished)


def resume(folder: str | os.PathLike[str], *overrides: str, **options: Any) -> Run:
    """Resume a run that was stopped or killed; with options, also a finished one.

    ```python
    ocr.resume("runs/receipts/2026-11-23_15-04-05", trainer={"max_epochs": 10})
    ```

    Args:
        folder: The run directory.
        overrides: Changes to its configuration. Those that would invalidate its checkpoint are refused.
        options: Overrides as keyword arguments, with dictionaries and values.

    Returns:
        The run.

    Raises:
        ConfigError: The folder has no run, the run is still active, or an option cannot change.
        OcrTrainerError: As for `train`.
    """
    from ocr_trainer.config.compose import compose

    timer, place = PhaseTimer(), Path(folder).resolve()
    with guest(), _one_at_a_time():
        words = overrides_of(overrides, options)
        run = compose(words, saved_config(place))
        if words or not is_finished(place):
            begin_resume(place, run, words)
            return _train_in(place, run, timer)
    return Run.open(place)


def with_architecture(run: RunConfig) -> RunConfig:
    """Return the run with the architecture of the weights that it starts from, if it starts from any.

    Raises:
        CheckpointError: They cannot be read.
    """
    if run.init_from.path is None:
        return run
    from ocr_trainer.checkpoint.architecture import take_architecture

    return take_architecture(run)


def create_run_dir(run: RunConfig) -> Path:
    """Create the run directory and save the configuration there."""
    folder = run_dir.claim(run.output_dir, run.exp_name, str(run))
    if run_dir.is_rank_zero():
        write_identity(folder, make_identity(run))
    return folder


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Refuse a second run at the same time."""
    if not _training.acquire(blocking=False):
        raise ConfigError(
            "another run is training in this process, and they would share its random generators\n"
            "  wait for it, or train in another process"
        )
    try:
        yield
    finally:
        _training.release()


def _train_in(folder: Path, run: RunConfig, timer: PhaseTimer) -> Run:
    timer.end("compose")
    # Includes what follows training: messages there, as of a requeued job, need the log level of a run.
    with libraries:
        try:
            from ocr_trainer.engine.train import train

            return Run(folder, run, train(run, folder, timer))
        except Stopped as stopped:
            stopped.add_note(f"to resume: ocr-train resume {folder}")
            if run_dir.is_rank_zero():
                from ocr_trainer.runs.slurm import requeue

                requeue(stopped.number)
            raise
        finally:
            run_dir.release(folder)


def _find_or_create(run: RunConfig, before: Path | None = None) -> Path | None:
    """Return the run directory to train in, or `None` if that run is finished."""
    folder = before or (find_earlier_run(run) if resume_requested(run) else None)
    if folder is None:
        return create_run_dir(run)
    if is_finished(folder):
        return None
    begin_resume(folder, run)
    return folder


def _shared_choice(choose: Callable[[Path | None], Path | None]) -> Path | None:
    """Return the run directory that rank zero chooses; after a restart, it gets its earlier choice."""
    if (folder := run_dir.inherited()) is not None:
        return folder
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from ocr_trainer.engine.distributed import share_choice

        return share_choice(choose)
    return choose(None)

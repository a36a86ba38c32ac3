"""Score trained models."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_trainer.api.checkpoints import (
    Saved,
    SwappedError,
    open_checkpoint,
    open_checkpoints,
    split_overrides,
)
from ocr_trainer.api.guest import guest, libraries
from ocr_trainer.api.overrides import overrides_of, quoted
from ocr_trainer.api.pretrained import Checkpoint, resolve
from ocr_trainer.api.runs import create_run_dir, scores_table
from ocr_trainer.errors import CheckpointError, ConfigError
from ocr_trainer.plugin import Prediction, Task, discovery
from ocr_trainer.runs import run_dir
from ocr_trainer.runs.timing import PhaseTimer
from ocr_trainer_runtime.text.visible import echo

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

TESTED = (
    *("logger=[]", "checkpoint.monitor=null"),
    *("trainer.limit_test_batches=null", "trainer.accelerator=auto", "trainer.devices=1"),
)
"""Resets options of training that do not apply to the test."""
WHOLE = ("dataset.val_share=0", "dataset.test_share=0")
"""A benchmark without a test split is used as a whole."""


@dataclass(frozen=True)
class Scores(Mapping[str, float]):
    """Scores by name, such as `test/hmean`, or `IIIT5k/word_accuracy` for benchmarks."""

    folder: Path
    """The run directory with the report and pictures of the results."""
    report: dict[str, Any] = field(repr=False)
    """The content of its report.json."""

    @property
    def _values(self) -> dict[str, float]:
        rows = self.report.get("benchmarks", {})
        of_sets = {f"{name}/{score}": value for name, row in rows.items() for score, value in row.items()}
        return {**self.report.get("scores", {}), **of_sets}

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __str__(self) -> str:
        if "benchmarks" in self.report:
            from ocr_trainer.evaluation.benchmarks import table

            return table(self.report, self.folder)
        from ocr_trainer.engine import report

        return report.table(self.report, self.folder)

    def _repr_html_(self) -> str:
        """Return the scores as a table, for notebooks."""
        return scores_table(self, self.folder)


def evaluate(
    checkpoint: Checkpoint,
    *overrides: str,
    recognizer: Checkpoint | None = None,
    margin: float | None = None,
    benchmarks: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Scores:
    """Score a checkpoint on the test split of its dataset, or on the val split if there is no test split.

    ```python
    scores = ocr.evaluate("best.ckpt", "dataset.root=other")
    scores["test/hmean"]
    ```

    Args:
        checkpoint: A checkpoint, or a run directory, whose best checkpoint is used, or the name of published
            weights, such as `"ppocrv6"`, which are scored on the dataset of the overrides.
        overrides: Changes to the configuration that it was trained with, such as other data. With a
            recognizer, `"recognizer.KEY=VALUE"` sets an option of its model.
        recognizer: A recognizer's checkpoint, to score detector and recognizer end to end.
        margin: Margin around each cropped word, from 0 to 1 as a fraction of its height; by default, that of
            the recognizer's training.
        benchmarks: A folder with one folder per dataset, to score a recognizer on each of them.
        options: Overrides as keyword arguments, with dictionaries and values.

    Returns:
        The scores. They are also in the report.json of a new run directory.

    Raises:
        CheckpointError: A checkpoint is missing, damaged, does not match its model, or has the wrong task.
        ConfigError: An option is wrong, or options contradict each other.
        OcrTrainerError: The data or a plugin cannot be used.
    """
    timer = PhaseTimer()
    with guest():
        words = overrides_of(overrides, options)
        checkpoint, recognizer = resolve(checkpoint, recognizer)
        own, reading = split_overrides(words, recognizer, margin)
        if benchmarks is not None:
            if recognizer is not None:
                raise ConfigError("benchmarks= takes a recognizer's checkpoint alone, without recognizer=")
            return _benchmarks(open_checkpoint(checkpoint), Path(benchmarks).expanduser(), own, timer)
        try:
            first, second = open_checkpoints(checkpoint, recognizer)
        except SwappedError as error:
            hint = f"swap them: evaluate({str(recognizer)!r}, recognizer={str(checkpoint)!r})"
            raise SwappedError(f"{error}\n  {hint}") from None
        run = first.compose([*TESTED, *own])
        _refuse_no_test(run)
        if second is None:
            return _test(first, run, timer)
        return _end_to_end(first, run, second, second.compose_model(reading), margin, timer)


def _test(saved: Saved, run: RunConfig, timer: PhaseTimer) -> Scores:
    def score(folder: Path) -> dict[str, Any]:
        from ocr_trainer.evaluation.test import test

        return test(run, saved.content, str(saved.path), folder, timer)

    return _in_run_dir(run, score)


def _end_to_end(
    detector: Saved,
    run: RunConfig,
    recognizer: Saved,
    model: RunConfig,
    margin: float | None,
    timer: PhaseTimer,
) -> Scores:
    def score(folder: Path) -> dict[str, Any]:
        from ocr_trainer.evaluation.end_to_end import Checkpoint, score_end_to_end

        return score_end_to_end(
            Checkpoint(str(detector.path), run, detector.content),
            Checkpoint(str(recognizer.path), model, recognizer.content),
            margin,
            folder,
            timer,
        )

    return _in_run_dir(run, score)


def _benchmarks(saved: Saved, root: Path, overrides: Sequence[str], timer: PhaseTimer) -> Scores:
    """Score a recognizer on each dataset of a folder."""
    if saved.prediction is not Prediction.text:
        raise CheckpointError(f"benchmarks= is for recognizers; {saved.path} {saved.does}")
    runs = {
        path.name: saved.compose(
            [f"dataset={reader}", f"dataset.root={quoted(str(path))}", *WHOLE, *TESTED, *overrides]
        )
        for path, reader in _find_benchmarks(root, saved.task).items()
    }
    first = next(iter(runs.values()))
    _refuse_no_test(first)
    timer.end("compose")

    def score(folder: Path) -> dict[str, Any]:
        from ocr_trainer.evaluation.benchmarks import benchmark

        return benchmark(runs, saved.content, str(saved.path), folder, timer)

    return _in_run_dir(first, score)


def _in_run_dir(run: RunConfig, score: Callable[[Path], dict[str, Any]]) -> Scores:
    """Score in a run directory of its own."""
    folder = create_run_dir(run)
    try:
        with libraries:
            return Scores(folder, score(folder))
    finally:
        run_dir.release(folder)


def _refuse_no_test(run: RunConfig) -> None:
    if run.trainer.limit_test_batches == 0:
        raise ConfigError("trainer.limit_test_batches=0 leaves nothing to test")


def _find_benchmarks(folder: Path, task: Task) -> dict[Path, str]:
    """Return the datasets in a folder, and for each the plugin that reads it."""
    if not folder.is_dir():
        raise ConfigError(f"benchmarks=: there is no folder '{folder}'")
    readable = set(discovery.datasets_for(task))
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if readers := [name for name in discovery.matching_datasets(path) if name in readable]:
            found[path] = readers[0]
        else:
            echo(f"ocr-train: skipped {path}: no plugin can read it as a dataset", file=sys.stderr)
    if not found:
        raise ConfigError(
            f"benchmarks=: '{folder}' holds no folder with texts that a plugin can read\n"
            "  expected: one folder per dataset, such as IIIT5k/ and SVT/, each an LMDB or a list of words"
        )
    return found

"""Runs, sweeps, `resume`, `check` and `overfit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ocr_trainer.cli.flags import as_flags
from ocr_trainer.cli.messages import print_error
from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import ConfigError, OcrTrainerError
from ocr_trainer_runtime.text.visible import echo

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig


def train(words: Sequence[str]) -> int:
    """Train a run, or each run of a sweep."""
    from ocr_trainer.api.runs import train, train_run

    if not _has_flags(words):
        train(*words)
        return 0

    def one(run: RunConfig) -> None:
        train_run(run)

    return _each_run(words, one)


def resume(words: Sequence[str]) -> int:
    """Resume a run."""
    if not words:
        raise ConfigError("ocr-train resume: no run given. Name its folder: ocr-train resume RUN_FOLDER")
    parser = Parser("ocr-train resume", description="Resume a run that was stopped or killed.")
    parser.add_argument("folder", metavar="RUN_FOLDER", help="the folder of the run")
    parser.add_argument("overrides", nargs="*", help="changes of its options, such as trainer.max_epochs=60")
    arguments = parser.parse_intermixed_args(words)
    from ocr_trainer.api.runs import resume

    resume(arguments.folder, *arguments.overrides)
    return 0


def check(words: Sequence[str]) -> int:
    """Print the configuration of a run."""
    from ocr_trainer.api.checks import check, check_output_dir

    def one(run: RunConfig) -> None:
        check_output_dir(run)
        echo(run, end="")

    if _has_flags(words):
        return _each_run(words, one)

    echo(check(*words), end="")
    return 0


def overfit(words: Sequence[str]) -> int:
    """Overfit one batch; return 1 if the model did not learn it."""
    parser = Parser("ocr-train overfit", description="Overfit one batch.")
    parser.add_argument("overrides", nargs="*", help="as for a run")
    parser.add_argument(
        "--steps", type=int, default=300, help="maximum number of steps (default: %(default)s)"
    )
    arguments = parser.parse_intermixed_args(words)
    from ocr_trainer.api.checks import overfit

    with as_flags("steps"):
        result = overfit(*arguments.overrides, steps=arguments.steps)
    if result:
        echo(result)
        return 0
    print_error(result, "steps")
    return 1


def _has_flags(words: Sequence[str]) -> bool:
    return any(word.startswith("-") for word in words)


def _each_run(words: Sequence[str], task: Callable[[RunConfig], None]) -> int:
    """Compose each run that the arguments describe, with the flags of Hydra, and call `task` with it."""
    from ocr_trainer.config.compose import run_hydra

    failed: list[OcrTrainerError] = []

    def report(error: OcrTrainerError) -> None:
        # A failed run of a sweep must not stop the others.
        print_error(error)
        failed.append(error)

    run_hydra(task, report, words)
    return 2 if failed else 0

"""`ocr-train`: the first word is a command; overrides or flags alone start a run.

Hydra's grammar makes that unambiguous: an override contains `=` or starts with `~`, a flag with `-`.
Each command imports its dependencies when it runs, so that `--help` stays fast.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_trainer.cli.encoding import use_utf8
from ocr_trainer.config.security import print_redacted, redact
from ocr_trainer.errors import ConfigError, OcrTrainerError, did_you_mean
from ocr_trainer.plugin import allowlist
from ocr_trainer.runs import timing
from ocr_trainer.runs.signals import STOP, Stopped

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

HELP = """\
Train OCR models.

  ocr-train model=dbnet dataset=sroie dataset.root=DIR     train, test and report a run
  ocr-train experiment=receipts dataset.root=DIR           the same, configured by configs/experiment
  ocr-train -m optimizer.lr=1e-3,3e-3                      a sweep: one run per value
  ocr-train resume RUN_FOLDER [OVERRIDE…]                  resume a run that was stopped or killed

  ocr-train list-plugins [KIND] [--json]       list installed models, datasets and loggers
  ocr-train describe KIND NAME                 show the options of a plugin
  ocr-train check [OVERRIDE…]                  compose and validate a run; print its configuration
  ocr-train check-data [OVERRIDE…] [--json]    read all samples of a dataset; list unusable ones
  ocr-train overfit [OVERRIDE…] [--steps N]    overfit one batch, to check that the model can learn
  ocr-train test CKPT [OVERRIDE…]              score a checkpoint; with --recognizer CKPT, both end to end;
                                               a recognizer with --benchmarks DIR, on each set in a folder
  ocr-train predict CKPT IMAGE… --out DIR      find text in images: JSON and overlays; with --recognizer CKPT,
                                               read it, too: --format json,text,overlay,page,hocr
  ocr-train score --gt PATH --pred PATH --metric icdar|cleval|text
                                               score predictions on disk: boxes, texts or both

Overrides are KEY=VALUE. Plugins and presets are chosen by name: model=crnn logger=[csv,wandb] augment=strong;
other keys are those that `check` prints: trainer.max_epochs=5
Hydra flags: -m, --cfg job, --info, --config-dir DIR, --shell-completion; --hydra-help lists all
"""


HELP_WORDS = ("-h", "--help", "help")


def main() -> int:
    """Run the command line and return the exit status: 0, 2 for an error, 128 + the number of a signal."""
    # Garbage collection takes a fifth of the time of importing torch; training enables it again.
    gc.disable()
    use_utf8()
    sys.excepthook = print_redacted
    with STOP.listening(keep_if_asked=True):
        return _run_command_line()


def _run_command_line() -> int:
    try:
        words = allowlist.pop_rules(sys.argv[1:])
        if not words or words[0] in HELP_WORDS or (words[0] == "check" and words[-1] in HELP_WORDS):
            print(HELP, end="")
            return 0
        if words[0] == "--version":
            from importlib.metadata import version

            print(f"ocr-train {version('ocr-trainer')}")
            return 0
        if words[0].startswith(("-", "~", "+")) or "=" in words[0]:
            return _each_run(words, _train)
        return _command(words[0])(words[1:])
    except OcrTrainerError as error:
        _print_error(error)
        return 2
    except Stopped as stopped:
        parts = (f"ocr-train: stopped by {stopped}", *getattr(stopped, "__notes__", ()))
        print("; ".join(parts), file=sys.stderr)
        return 128 + stopped.number
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as `head`, closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _print_error(error: OcrTrainerError) -> None:
    print(f"ocr-train: {redact(str(error))}", file=sys.stderr)


def _command(word: str) -> Callable[[Sequence[str]], int]:
    commands: dict[str, Callable[[Sequence[str]], int]] = {
        "resume": _resume,
        "list-plugins": _list_plugins,
        "describe": _describe,
        "check": _check,
        "check-data": _check_data,
        "overfit": _overfit,
        "test": _test,
        "predict": _predict,
        "score": _score,
    }
    if word not in commands:
        raise ConfigError(
            f"there is no command '{word}'.{did_you_mean(word, commands)}\n"
            f"  commands: {', '.join(commands)}\n"
            f"  to start a run, give overrides, such as model=dbnet; see ocr-train --help"
        )
    return commands[word]


def _list_plugins(words: Sequence[str]) -> int:
    from ocr_trainer.cli.plugins import list_plugins

    return list_plugins(words)


def _describe(words: Sequence[str]) -> int:
    from ocr_trainer.cli.plugins import describe

    return describe(words)


def _check(words: Sequence[str]) -> int:
    from ocr_trainer.config.compose import to_yaml

    return _each_run(words, lambda run: print(to_yaml(run), end=""))


def _check_data(words: Sequence[str]) -> int:
    from ocr_trainer.cli.check_data import check_data

    return check_data(words)


def _each_run(words: Sequence[str], task: Callable[[RunConfig], None]) -> int:
    """Compose each run that the arguments describe and call `task` with it."""
    from ocr_trainer.config.compose import compose, run_hydra

    if not any(word.startswith("-") for word in words):
        task(compose(words))
        return 0
    failed: list[OcrTrainerError] = []

    def report(error: OcrTrainerError) -> None:
        # A failed run of a sweep must not stop the others.
        _print_error(error)
        failed.append(error)

    run_hydra(task, report, words)
    return 2 if failed else 0


def _train(run: RunConfig) -> None:
    timer = timing.PhaseTimer()
    folder = _shared_choice(lambda before: _find_or_create_run_dir(run, before))
    if folder is not None:
        _train_in(folder, run, timer)


def _resume(words: Sequence[str]) -> int:
    from ocr_trainer.config.compose import compose
    from ocr_trainer.runs.resume import begin_resume, is_finished, saved_config

    timer = timing.PhaseTimer()
    if not words:
        raise ConfigError("ocr-train resume: no run given. Name its folder: ocr-train resume RUN_FOLDER")
    folder, overrides = Path(words[0]).resolve(), words[1:]
    run = compose(overrides, saved_config(folder))
    if overrides or not is_finished(folder):
        begin_resume(folder, run, overrides)
        _train_in(folder, run, timer)
    return 0


def _train_in(folder: Path, run: RunConfig, timer: timing.PhaseTimer) -> None:
    from ocr_trainer.runs.run_dir import is_rank_zero

    timer.end("compose")
    try:
        from ocr_trainer.engine.train import train

        train(run, folder, timer)
    except Stopped as stopped:
        stopped.add_note(f"to resume: ocr-train resume {folder}")
        if is_rank_zero():
            from ocr_trainer.runs.slurm import requeue

            requeue(stopped.number)
        raise


def _find_or_create_run_dir(run: RunConfig, before: Path | None = None) -> Path | None:
    """Return the run directory to train in, or `None` if that run is finished."""
    from ocr_trainer.runs.resume import begin_resume, find_earlier_run, is_finished, resume_requested

    folder = before or (find_earlier_run(run) if resume_requested(run) else None)
    if folder is not None:
        if is_finished(folder):
            return None
        begin_resume(folder, run)
        return folder
    return _create_run_dir(run)


def _shared_choice(choose: Callable[[Path | None], Path | None]) -> Path | None:
    """Return the run directory that rank zero chooses; after a restart, it gets its earlier choice."""
    from ocr_trainer.runs.run_dir import inherited

    if (folder := inherited()) is not None:
        return folder
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from ocr_trainer.engine.distributed import share_choice

        return share_choice(choose)
    return choose(None)


def _create_run_dir(run: RunConfig) -> Path:
    """Create the run directory and save the configuration there."""
    from ocr_trainer.config.compose import to_yaml
    from ocr_trainer.runs.run_dir import claim

    return claim(run.output_dir, run.exp_name, to_yaml(run))


def _test(words: Sequence[str]) -> int:
    from ocr_trainer.cli.evaluate import test

    return test(words, _create_run_dir)


def _predict(words: Sequence[str]) -> int:
    from ocr_trainer.cli.evaluate import predict

    return predict(words)


def _overfit(words: Sequence[str]) -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser("ocr-train overfit", description="Overfit one batch.")
    parser.add_argument("overrides", nargs="*", help="as for a run")
    parser.add_argument(
        "--steps", type=int, default=300, help="maximum number of steps (default: %(default)s)"
    )
    arguments = parser.parse_intermixed_args(words)
    if arguments.steps < 1:
        raise ConfigError(f"--steps must be at least 1, not {arguments.steps}")
    from ocr_trainer.config.compose import compose

    run = compose(arguments.overrides)
    from ocr_trainer.engine.overfit import overfit

    return 0 if overfit(run, arguments.steps) else 1


def _score(words: Sequence[str]) -> int:
    from ocr_trainer.cli.score import score

    return score(words)

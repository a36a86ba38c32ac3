"""`ocr-train`: a bare first word is a command, anything else is a run.

Hydra's grammar makes that unambiguous: an override holds a `=` or starts with `~`, a flag with `-`.
Each command imports what it needs when it is chosen, so that `--help` pays for nothing.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_trainer.cli.encoding import use_utf8
from ocr_trainer.config.security import redact
from ocr_trainer.errors import ConfigError, OcrTrainerError, did_you_mean
from ocr_trainer.plugin import allowlist
from ocr_trainer.runs import timing
from ocr_trainer.runs.signals import STOP, Stopped

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

HELP = """\
Train OCR models by name.

  ocr-train model=dbnet dataset=sroie dataset.root=DIR     train, test and report a run
  ocr-train experiment=receipts dataset.root=DIR           the same, from a file of configs/experiment
  ocr-train -m optimizer.lr=1e-3,3e-3                      a sweep: one run each
  ocr-train resume RUN_FOLDER [OVERRIDE…]                  go on with a run that was stopped or killed

  ocr-train list-plugins [KIND] [--json]       what is installed: models, datasets, loggers
  ocr-train describe KIND NAME                 the options of a plugin
  ocr-train check [OVERRIDE…]                  compose and validate a run; print its configuration
  ocr-train check-data [OVERRIDE…] [--json]    read every sample of a dataset; list all that cannot be used
  ocr-train overfit [OVERRIDE…] [--steps N]    learn one batch by heart, to see that a run can learn at all
  ocr-train test CKPT [OVERRIDE…]              score a checkpoint; with --recognizer CKPT, both end to end;
                                               a recognizer with --benchmarks DIR, on each set in a folder
  ocr-train predict CKPT IMAGE… --out DIR      find text in images: JSON and overlays; with --recognizer CKPT,
                                               read it, too: --format json,text,overlay,page,hocr
  ocr-train score --gt PATH --pred PATH --metric icdar|cleval|text
                                               score predictions on disk: boxes, texts or both

Overrides are KEY=VALUE, with the keys that `check` prints: trainer.max_epochs=5 logger=[csv,wandb]
Flags of Hydra: -m, --cfg job, --info, --config-dir DIR, --shell-completion; all with --hydra-help
"""


HELP_WORDS = ("-h", "--help", "help")


def main() -> int:
    """Run the command line; return the exit status: 0, 2 for a user's mistake, 128 + a signal's number."""
    # Collecting garbage is a fifth of the time that importing torch takes; training starts it again.
    gc.disable()
    use_utf8()
    with STOP.listening(keep_if_asked=True):
        return _answer()


def _answer() -> int:
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
        print(f"ocr-train: {redact(str(error))}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        said = (f"ocr-train: stopped by {stopped}", *getattr(stopped, "__notes__", ()))
        print("; ".join(said), file=sys.stderr)
        return 128 + stopped.number
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
            f"  a run is described by overrides, such as model=dbnet; see ocr-train --help"
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
    """Compose the runs that the words describe and do the task with each."""
    from ocr_trainer.config.compose import compose, run_hydra

    if not any(word.startswith("-") for word in words):
        task(compose(words))
        return 0
    failed: list[OcrTrainerError] = []

    def fail(error: OcrTrainerError) -> None:
        # One run of a sweep does not cost the others.
        print(f"ocr-train: {redact(str(error))}", file=sys.stderr)
        failed.append(error)

    run_hydra(task, fail, words)
    return 2 if failed else 0


def _train(run: RunConfig) -> None:
    timer = timing.PhaseTimer()
    folder = _agreed(lambda before: _folder(run, before))
    if folder is not None:
        _train_in(folder, run, timer)


def _resume(words: Sequence[str]) -> int:
    from ocr_trainer.config.compose import compose
    from ocr_trainer.runs.resume import begin_resume, is_finished, saved_config

    timer = timing.PhaseTimer()
    if not words:
        raise ConfigError("ocr-train resume: which run? Name its folder: ocr-train resume RUN_FOLDER")
    folder, overrides = Path(words[0]).resolve(), words[1:]
    run = compose(overrides, saved_config(folder))
    if overrides or not is_finished(folder):
        begin_resume(folder, run, overrides)
        _train_in(folder, run, timer)
    return 0


def _train_in(folder: Path, run: RunConfig, timer: timing.PhaseTimer) -> None:
    from ocr_trainer.runs.run_dir import is_first

    timer.end("compose")
    try:
        from ocr_trainer.engine.train import train

        train(run, folder, timer)
    except Stopped as stopped:
        stopped.add_note(f"to go on: ocr-train resume {folder}")
        if is_first():
            from ocr_trainer.runs.slurm import requeue

            requeue(stopped.number)
        raise


def _folder(run: RunConfig, before: Path | None = None) -> Path | None:
    """Return the folder to train in, which may be known, and None if that is done already."""
    from ocr_trainer.runs.resume import begin_resume, find_earlier_run, is_finished, resume_requested

    folder = before or (find_earlier_run(run) if resume_requested(run) else None)
    if folder is not None:
        if is_finished(folder):
            return None
        begin_resume(folder, run)
        return folder
    return _claim(run)


def _agreed(choose: Callable[[Path | None], Path | None]) -> Path | None:
    """Return the folder that the first process chooses; it is told which it chose before a restart."""
    from ocr_trainer.runs.run_dir import inherited

    if (folder := inherited()) is not None:
        return folder
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from ocr_trainer.engine.distributed import share_choice

        return share_choice(choose)
    return choose(None)


def _claim(run: RunConfig) -> Path:
    """Make the run's folder and write its configuration there."""
    from ocr_trainer.config.compose import to_yaml
    from ocr_trainer.runs.run_dir import claim

    return claim(run.output_dir, run.exp_name, to_yaml(run))


def _test(words: Sequence[str]) -> int:
    from ocr_trainer.cli.evaluate import test

    return test(words, _claim)


def _predict(words: Sequence[str]) -> int:
    from ocr_trainer.cli.evaluate import predict

    return predict(words)


def _overfit(words: Sequence[str]) -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser("ocr-train overfit", description="Learn one batch by heart.")
    parser.add_argument("overrides", nargs="*", help="as for a run")
    parser.add_argument("--steps", type=int, default=300, help="the most steps (default: %(default)s)")
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

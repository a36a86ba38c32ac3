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

from ocr_trainer import clock
from ocr_trainer.errors import ConfigError, OcrTrainerError, did_you_mean

if TYPE_CHECKING:
    from ocr_trainer.schema import RunConfig

HELP = """\
Train OCR models by name.

  ocr-train model=dbnet dataset=sroie dataset.root=DIR     train, test and report a run
  ocr-train experiment=receipts dataset.root=DIR           the same, from a file of configs/experiment
  ocr-train -m optimizer.lr=1e-3,3e-3                      a sweep: one run each

  ocr-train list-plugins [KIND] [--json]       what is installed: models, datasets, loggers
  ocr-train describe KIND NAME                 the options of a plugin
  ocr-train check [OVERRIDE…]                  compose and validate a run; print its configuration
  ocr-train overfit [OVERRIDE…] [--steps N]    learn one batch by heart, to see that a run can learn at all
  ocr-train test CKPT [OVERRIDE…]              score a checkpoint; with --recognizer CKPT, both end to end;
                                               a recogniser with --benchmarks DIR, on each set in a folder
  ocr-train predict CKPT IMAGE… --out DIR      find text in images: JSON and overlays; with --recognizer CKPT,
                                               read it, too: --format json,text,overlay,page,hocr
  ocr-train score --gt PATH --pred PATH --metric icdar|cleval|text
                                               score predictions on disk: boxes, texts or both

Overrides are KEY=VALUE, with the keys that `check` prints: trainer.max_epochs=5 logger=[csv,wandb]
Flags of Hydra: -m, --cfg job, --info, --config-dir DIR, --shell-completion; all with --hydra-help
"""


HELP_WORDS = ("-h", "--help", "help")


def main() -> int:
    """Run the command line; return the exit status: 0, or 2 for a user's mistake."""
    # Collecting garbage is a fifth of the time that importing torch takes; training starts it again.
    gc.disable()
    words = sys.argv[1:]
    try:
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
        print(f"ocr-train: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _command(word: str) -> Callable[[Sequence[str]], int]:
    commands: dict[str, Callable[[Sequence[str]], int]] = {
        "list-plugins": _list_plugins,
        "describe": _describe,
        "check": _check,
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
    from ocr_trainer.show import list_plugins

    return list_plugins(words)


def _describe(words: Sequence[str]) -> int:
    from ocr_trainer.show import describe

    return describe(words)


def _check(words: Sequence[str]) -> int:
    from ocr_trainer.compose import to_yaml

    return _each_run(words, lambda run: print(to_yaml(run), end=""))


def _each_run(words: Sequence[str], task: Callable[[RunConfig], None]) -> int:
    """Compose the runs that the words describe and do the task with each."""
    from ocr_trainer.compose import compose, through_hydra

    if not any(word.startswith("-") for word in words):
        task(compose(words))
        return 0
    failed: list[OcrTrainerError] = []

    def fail(error: OcrTrainerError) -> None:
        # One run of a sweep does not cost the others.
        print(f"ocr-train: {error}", file=sys.stderr)
        failed.append(error)

    through_hydra(task, fail, words)
    return 2 if failed else 0


def _train(run: RunConfig) -> None:
    laps = clock.Laps()
    folder = _claim(run)
    laps.end("compose")
    from ocr_trainer.training.run import train

    train(run, folder, laps)


def _claim(run: RunConfig) -> Path:
    """Make the run's folder and write its configuration there."""
    from ocr_trainer.compose import to_yaml
    from ocr_trainer.folder import claim

    folder = claim(run.output_dir, run.exp_name)
    (folder / "config.yaml").write_text(to_yaml(run), encoding="utf-8")
    return folder


def _test(words: Sequence[str]) -> int:
    from ocr_trainer.using import test

    return test(words, _claim)


def _predict(words: Sequence[str]) -> int:
    from ocr_trainer.using import predict

    return predict(words)


def _overfit(words: Sequence[str]) -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser("ocr-train overfit", description="Learn one batch by heart.")
    parser.add_argument("overrides", nargs="*", help="as for a run")
    parser.add_argument("--steps", type=int, default=300, help="the most steps (default: %(default)s)")
    arguments = parser.parse_intermixed_args(words)
    if arguments.steps < 1:
        raise ConfigError(f"--steps must be at least 1, not {arguments.steps}")
    from ocr_trainer.compose import compose

    run = compose(arguments.overrides)
    from ocr_trainer.training.overfit import overfit

    return 0 if overfit(run, arguments.steps) else 1


def _score(words: Sequence[str]) -> int:
    from ocr_trainer.metrics.score import score

    return score(words)

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
from typing import TYPE_CHECKING, Any

from ocr_trainer import clock
from ocr_trainer.errors import CheckpointError, ConfigError, OcrTrainerError, did_you_mean

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
  ocr-train test CKPT [OVERRIDE…]              score a checkpoint
  ocr-train predict CKPT IMAGE… --out DIR      find text in images: JSON and overlays
  ocr-train score --gt PATH --pred PATH --metric icdar|cleval
                                               score predictions on disk, in folders or zips

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
    from argparse import ArgumentParser

    parser = ArgumentParser("ocr-train test", description="Score a checkpoint on the test split.")
    parser.add_argument("checkpoint", help="a .ckpt file that ocr-train wrote")
    parser.add_argument("overrides", nargs="*", help="such as dataset=sroie dataset.root=DIR model.size=1024")
    arguments = parser.parse_args(words)
    laps = clock.Laps()
    # What training was bound to, the test need not be.
    base = ["logger=[]", "trainer.limit_test_batches=null", "trainer.accelerator=auto", "trainer.devices=1"]
    saved, run = _saved_run(arguments.checkpoint, [*base, *arguments.overrides])
    if run.trainer.limit_test_batches == 0:
        raise ConfigError("trainer.limit_test_batches=0 leaves nothing to test")
    folder = _claim(run)
    from ocr_trainer.training.apply import test

    test(run, saved, arguments.checkpoint, folder, laps)
    return 0


def _predict(words: Sequence[str]) -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser("ocr-train predict", description="Find text in images.")
    parser.add_argument("checkpoint", help="a .ckpt file that ocr-train wrote")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image files, and overrides such as model.size=1024"
    )
    parser.add_argument("--out", default="predictions", metavar="DIR", help="where JSON and overlays go")
    arguments = parser.parse_intermixed_args(words)
    overrides = [word for word in arguments.images if word.startswith("model.") and "=" in word]
    images = [Path(word) for word in arguments.images if word not in overrides]
    for image in images:
        if "=" in str(image) and not image.exists():
            raise ConfigError(f"'{image}' is no image, and only model.… options can be set when predicting")
    saved, run = _saved_run(arguments.checkpoint, ["logger=[]", "dataset=synthetic", *overrides])
    from ocr_trainer.training.predict import predict

    predict(run, saved, images, Path(arguments.out))
    return 0


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


def _saved_run(checkpoint: str, overrides: Sequence[str]) -> tuple[dict[str, Any], RunConfig]:
    """Read a checkpoint, and compose its run with overrides on top."""
    if not Path(checkpoint).is_file():
        raise CheckpointError(f"there is no checkpoint {checkpoint}")
    from ocr_trainer.compose import compose
    from ocr_trainer.training.checkpoint import read

    saved = read(checkpoint)
    return saved, compose(overrides, saved["ocr_trainer"]["config"])

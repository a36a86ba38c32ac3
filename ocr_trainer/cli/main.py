"""`ocr-train`: the first word is a command; overrides or flags alone start a run.

Hydra's grammar makes that unambiguous: an override contains `=` or starts with `~`, a flag with `-`.
Each command imports its dependencies when it runs, so that `--help` stays fast.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from itertools import takewhile

from ocr_trainer.cli.commands import command, plugin_commands
from ocr_trainer.cli.encoding import use_utf8
from ocr_trainer.cli.messages import print_error, print_traceback, print_warning
from ocr_trainer.errors import ConfigError, OcrTrainerError
from ocr_trainer.plugin import allowlist
from ocr_trainer.runs import collector, timing
from ocr_trainer.runs.signals import STOP, Stopped
from ocr_trainer_runtime.text.visible import echo

HELP = """\
Train OCR models.

  ocr-train model=dbnet dataset=sroie dataset.root=DIR     train, test and report a run
  ocr-train experiment=receipts dataset.root=DIR           the same, configured by a file
  ocr-train -m optimizer.lr=1e-3,3e-3                      a sweep: one run per value
  ocr-train resume RUN_FOLDER [OVERRIDE…]                  resume a run that was stopped or killed

  ocr-train list-plugins [KIND] [--json]       list the installed plugins
  ocr-train describe KIND NAME                 show the options of a plugin
  ocr-train check [OVERRIDE…]                  compose and validate a run; print its configuration
  ocr-train check-data [OVERRIDE…] [--json]    read all samples of a dataset; list unusable ones
  ocr-train overfit [OVERRIDE…] [--steps N]    overfit one batch, to check that the model can learn
  ocr-train test CKPT [OVERRIDE…]              score a checkpoint; with --recognizer CKPT, both end to end;
                                               a recognizer with --benchmarks DIR, on each set in a folder
  ocr-train predict [CKPT] IMAGE… --out DIR    find and read text in images and PDFs; --recognizer CKPT reads
                                               what a CKPT finds; --format WRITER,… chooses the files
  ocr-train export CKPT --format NAME --out DIR
                                               export a model to what other engines run, if they agree with it
  ocr-train score --gt PATH --pred PATH --metric icdar|cleval|text
                                               score predictions on disk: boxes, texts or both
  ocr-train new-plugin NAME --kind KIND        create a distribution with a plugin, and tests that pass

Overrides are KEY=VALUE. Plugins and presets are chosen by name: model=crnn logger=[csv,wandb] augment=strong;
other keys are those that `check` prints: trainer.max_epochs=5
Hydra flags: -m, --cfg job, --info, --config-dir DIR, --shell-completion; --hydra-help lists all
"""


HELP_WORDS = ("-h", "--help", "help")


def main() -> int:
    """Run the command line and return the exit status: 0, 2 for an error, 128 + the number of a signal."""
    collector.pause()
    sys.excepthook, warnings.showwarning = print_traceback, print_warning
    use_utf8()
    with timing.PhaseTimer.counting_start_up(), STOP.listening(keep_if_asked=True):
        try:
            return _run_command_line()
        except Exception:
            if STOP.raised is None:
                raise
            return _stopped(Stopped(STOP.raised))


def _stopped(stopped: Stopped) -> int:
    parts = (f"ocr-train: stopped by {stopped}", *getattr(stopped, "__notes__", ()))
    echo("; ".join(parts), file=sys.stderr)
    return 128 + stopped.number


def _help() -> None:
    echo(HELP, end="")
    if others := list(plugin_commands()):
        echo("\nCommands of plugins:")
    for name, summary in others:
        echo(f"  {f'ocr-train {name}':44} {summary}")


def _refuse_hyphens(words: Sequence[str]) -> None:
    """Refuse overrides that look like flags, as in `--optimizer.lr=0.1`.

    Raises:
        ConfigError: There is one.
    """
    for word in takewhile(lambda word: word != "--", words):
        key, equals, value = word.partition("=")
        if key.startswith("--") and "." in key and "/" not in key:
            raise ConfigError(
                f"there is no flag {key}: options have no hyphens\n"
                f"  write {key.lstrip('-').replace('-', '_')}={value if equals else 'VALUE'}"
            )


def _run_command_line() -> int:
    try:
        words = allowlist.pop_rules(sys.argv[1:])
        _refuse_hyphens(words)
        if not words or words[0] in HELP_WORDS or (words[0] == "check" and words[-1] in HELP_WORDS):
            _help()
            return 0
        if words[0] == "--version":
            from importlib.metadata import version

            echo(f"ocr-train {version('ocr-trainer')}")
            return 0
        if words[0].startswith(("-", "~", "+")) or "=" in words[0]:
            from ocr_trainer.cli.train import train

            return train(words)
        return command(words[0])(words[1:])
    except OcrTrainerError as error:
        if STOP.raised is not None:  # the error of a library that caught `Stopped`
            raise
        print_error(error)
        return 2
    except Stopped as stopped:
        return _stopped(stopped)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as `head`, closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

"""The commands by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from ocr_trainer.errors import ConfigError, did_you_mean

Command = Callable[[Sequence[str]], int]
"""Called with the words after the command; returns the exit status."""

OURS = {
    "resume": "train:resume",
    "list-plugins": "plugins:list_plugins",
    "describe": "plugins:describe",
    "check": "train:check",
    "check-data": "check_data:check_data",
    "overfit": "train:overfit",
    "test": "evaluate:test",
    "predict": "predict:predict",
    "score": "score:score",
}
"""Module and function of each command."""


def command(word: str) -> Command:
    """Import and return a command.

    Raises:
        ConfigError: There is no such command.
    """
    if word not in OURS:
        raise ConfigError(
            f"there is no command '{word}'.{did_you_mean(word, OURS)}\n"
            f"  commands: {', '.join(OURS)}\n"
            f"  to start a run, give overrides, such as model=dbnet; see ocr-train --help"
        )
    module, _, function = OURS[word].partition(":")
    found: Command = getattr(import_module(f"ocr_trainer.cli.{module}"), function)
    return found

"""Look up commands by name: those of ocr-train, and those that plugins provide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

from ocr_trainer.errors import ConfigError, OcrTrainerError, PluginNotFound, did_you_mean
from ocr_trainer.plugin import allowlist
from ocr_trainer.plugin.kind import Kind
from ocr_trainer.plugin.metadata import BUILT_IN_COMMANDS

Command = Callable[[Sequence[str]], int]
"""Called with the arguments after the command; returns the exit status."""

OURS = {
    "resume": "train:resume",
    "list-plugins": "plugins:list_plugins",
    "describe": "plugins:describe",
    "check": "train:check",
    "overfit": "train:overfit",
    "test": "evaluate:test",
    "predict": "predict:predict",
}
"""Module and function of each command that must be there even if the metadata of ocr-train is damaged."""


def command(word: str) -> Command:
    """Import and return a command. Plugins are looked up only for words that are not in `OURS`.

    Raises:
        ConfigError: There is no such command.
        PluginError: The plugin that provides it cannot be used.
    """
    if word in OURS:
        module, _, function = OURS[word].partition(":")
        found: Command = getattr(import_module(f"ocr_trainer.cli.{module}"), function)
        return found
    return _of_plugin(f"{allowlist.CORE}:{word}" if word in BUILT_IN_COMMANDS else word)


def plugin_commands() -> Iterator[tuple[str, str]]:
    """Yield name and summary of the commands of other distributions, without importing them."""
    from ocr_trainer.plugin import metadata

    for plugin in metadata.installed():
        ours = plugin.kind is not Kind.command or plugin.distribution == allowlist.CORE
        if not ours and plugin.denial is None and metadata.find_defect(plugin) is None:
            yield plugin.name, metadata.read_summary(plugin)


def _of_plugin(word: str) -> Command:
    from ocr_trainer.plugin import discovery
    from ocr_trainer.plugin.contract import describe_exception

    try:
        plugin = discovery.find(Kind.command, word)
    except PluginNotFound:
        names = list(dict.fromkeys([*BUILT_IN_COMMANDS, *discovery.names(Kind.command)]))
        raise ConfigError(
            f"there is no command '{word}'.{did_you_mean(word, names)}\n"
            f"  commands: {', '.join(names)}\n"
            f"  to start a run, give overrides, such as model=dbnet; see ocr-train --help"
        ) from None
    function = discovery.resolve(Kind.command, word)
    if plugin.distribution == allowlist.CORE:
        return function

    def run(words: Sequence[str]) -> int:
        try:
            status = function(list(words))
        except (OcrTrainerError, BrokenPipeError):
            raise
        except Exception as error:
            reason = f"it failed with {describe_exception(error)}"
            raise discovery.broken(plugin, reason) from error
        if not isinstance(status, int):
            raise discovery.broken(plugin, f"it returned a {type(status).__name__}, not an exit status")
        return status

    return run

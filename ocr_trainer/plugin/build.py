"""Build the object that a plugin describes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ocr_trainer.plugin import PLUGIN_TYPES, discovery
from ocr_trainer.plugin.api import Config, Context
from ocr_trainer.plugin.kind import Kind

SPLITS = ("train", "val", "test")


def build(kind: Kind, config: Config, context: Context, expected: type[Any] | None = None) -> Any:
    """Import a plugin's heavy module and call its factory.

    Args:
        kind: The kind of plugin.
        config: The options of the plugin; `config.name` names it.
        context: What the core passes to every factory.
        expected: The type that the factory must return; if None, that of the kind. A dataset may have any
            type with the three splits.

    Raises:
        PluginBroken: The module cannot be imported, or the factory returns something else.
    """
    if expected is None:
        module, _, name = PLUGIN_TYPES[kind].result.partition(":")
        expected = getattr(import_module(module), name)
    built = discovery.resolve(kind, config.name)(config, context)
    has_splits = kind is not Kind.dataset or all(hasattr(built, split) for split in SPLITS)
    if not (has_splits and isinstance(built, expected)):
        article = "an" if kind.value[0] in "aeiou" else "a"
        reason = (
            f"its factory returns a {type(built).__name__}, which cannot be used as {article} {kind.value}"
        )
        raise discovery.broken(discovery.find(kind, config.name), reason)
    return built

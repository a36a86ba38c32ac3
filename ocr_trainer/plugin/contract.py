"""Checks that a loaded plugin description follows the plugin contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import get_type_hints

from ocr_trainer.plugin import API, PLUGIN_TYPES, Config, Plugin, Task
from ocr_trainer.plugin.metadata import Installed

RENAMED = {"faults": "validate", "lasting": "without_init_weights"}
"""Methods of a config class that were renamed before the release of 0.1.0. The old names are not called."""


def contract_errors(plugin: Installed, loaded: object) -> Iterator[str]:
    """Yield the ways in which a loaded object violates the contract.

    Args:
        plugin: The metadata of the plugin.
        loaded: The object that its entry point names.
    """
    expected = PLUGIN_TYPES[plugin.kind]
    if not isinstance(loaded, Plugin):
        yield f"{plugin.target} is of type {type(loaded).__name__}, not {expected.__name__}"
        return
    if not isinstance(loaded, expected):
        yield f"it is registered in {plugin.kind.entry_points}, but is a {type(loaded).__name__}"
    yield from loaded.errors()
    if loaded.api != API:
        yield f"it is written for version {loaded.api} of the plugin contract, but this is version {API}"
    tasks = getattr(loaded, "tasks", (getattr(loaded, "task", None),))
    if any(not isinstance(task, Task | None) for task in tasks):
        yield 'it refers to a task by something other than a Task, such as Task("script")'
    yield from _config_errors(loaded.config, expected.config_base)


def _config_errors(config: object, base: type[Config]) -> Iterator[str]:
    # `is_dataclass` is also true of an undecorated class that inherits from a dataclass.
    if not (isinstance(config, type) and issubclass(config, base) and "__dataclass_fields__" in vars(config)):
        yield f"its config is not a dataclass derived from ocr_trainer.plugin.{base.__name__}"
        return
    for old, new in RENAMED.items():
        if callable(getattr(config, old, None)):
            yield f"its config defines {old}(), which is called {new}() now"
    known = {field.name for field in fields(config)}
    untyped = sorted(
        name
        for name, value in vars(config).items()
        if not name.startswith("_")
        and name not in known
        and not callable(getattr(config, name))
        and not isinstance(value, (property, classmethod, staticmethod))
    )
    if untyped:
        yield f"its options {', '.join(untyped)} have no type annotation"
    try:
        get_type_hints(config)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        yield f"the type of one of its options cannot be resolved: {describe_exception(error)}"


def describe_exception(error: BaseException) -> str:
    """Return the type and the message of an exception in one line."""
    return f"{type(error).__name__}: {error}".rstrip(": ")

"""Convert keyword arguments and dictionaries to overrides in Hydra's grammar."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from numbers import Integral, Real
from typing import Any

from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import GROUPS, PLUGIN_TYPES

KEY = re.compile(r"[A-Za-z_][\w-]*")
CHOSEN_BY_NAME = frozenset(group for group, kind in GROUPS.items() if not PLUGIN_TYPES[kind].many)
"""Sections whose entry `name` chooses a plugin."""


def overrides_of(words: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Return overrides and options as overrides; options come last.

    A dictionary sets each of its entries; any other value sets or chooses a whole section, as in
    `model="dbnet"`. Strings are literal, except for `${...}`, which refers to another value.

    Args:
        words: Overrides in Hydra's grammar.
        options: Sections and values.

    Raises:
        ConfigError: A word is not a string, a key is not a name, or a value cannot be an option.
    """
    for word in words:
        if not isinstance(word, str):
            hint = "pass options as keyword arguments"
            raise ConfigError(f"an override is a string, as in 'seed=1', not {word!r}; {hint}")
    return [*words, *_top(options)]


def _top(options: Mapping[str, Any]) -> Iterator[str]:
    for key, value in options.items():
        if not isinstance(value, Mapping):
            yield f"{key}={literal(value, key)}"
            continue
        entries = dict(value)
        if key in CHOSEN_BY_NAME and "name" in entries:
            yield f"{key}={literal(entries.pop('name'), f'{key}.name')}"
        yield from _entries(entries, key)


def _entries(options: Mapping[Any, Any], path: str) -> Iterator[str]:
    for key, value in options.items():
        place = f"{path}.{_key(key, path)}"
        if isinstance(value, Mapping):
            yield from _entries(value, place)
        else:
            # `++` also adds keys without a default, such as the parts of a dataset.
            yield f"++{place}={literal(value, place)}"


def _key(key: object, path: str) -> str:
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise ConfigError(f"{path}: {key!r} cannot be the name of an option")
    return key


def literal(value: Any, path: str) -> str:
    """Return a value in Hydra's grammar.

    Args:
        value: None, a bool, number, string, path or Enum, or a list or dictionary of them.
        path: The option, for messages.

    Raises:
        ConfigError: The value has another type.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return quoted(value.name)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, os.PathLike):
        return quoted(os.fsdecode(value))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(literal(item, path) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_key(key, path)}:{literal(item, path)}' for key, item in value.items())}}}"
    raise ConfigError(f"{path}: a value of type {type(value).__name__} cannot be an option")


def quoted(text: str) -> str:
    """Quote a string for Hydra's override grammar."""
    # Hydra treats a backslash as an escape only before a quote.
    inside = re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + found[2].replace("'", "\\'"), text)
    return f"'{inside}'"

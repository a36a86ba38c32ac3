"""What a file of options may hold: sections with names, lists, texts, numbers, true, false and null.

YAML and checkpoints can hold more: dates, sets, bytes, keys that are no texts, values that contain
themselves. Hydra and OmegaConf fail on these in ways of their own, so they are refused here first.
"""

from __future__ import annotations

import re
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from ocr_trainer.errors import ConfigError

MAX_VALUES = 100_000
"""Maximum number of values in a configuration; more indicate a YAML alias bomb."""
MAX_DEPTH = 32
"""Maximum number of sections and lists within each other."""
MAX_REFERENCES = 8
"""Maximum number of interpolations within each other, as in `${a.${b}}`; OmegaConf's parser is recursive."""
SHOWN = 60
"""Longest part of a key or value in a message, in characters."""
TYPES: dict[type, str] = {
    **{type(None): "null", bool: "a truth value", int: "a number", float: "a number", date: "a date"},
    **{set: "a set", frozenset: "a set", bytes: "bytes", bytearray: "bytes", tuple: "a tuple"},
    **{list: "a list", dict: "a section"},
}
"""The words for a type in messages."""


def check_plain(content: Any, origin: object) -> None:
    """Refuse what is not plain data.

    Args:
        content: A whole configuration.
        origin: Where it comes from, for the message.

    Raises:
        ConfigError: It is not a section, or something in it is not plain data.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{origin} must hold options, each as KEY: VALUE; it holds {kind_of(content)}")
    rest: list[tuple[str, Any, int]] = [("", content, 0)]
    for seen in range(MAX_VALUES + 1):
        if not rest:
            return
        path, value, depth = rest.pop()
        if depth > MAX_DEPTH:
            raise ConfigError(f"{origin} nests its values too deeply: at most {MAX_DEPTH} within each other")
        if reason := _fault(value, path):
            raise ConfigError(f"{origin}: {reason}")
        items: list[tuple[Any, Any]] = []
        if isinstance(value, dict | list):
            if len(rest) + len(value) + seen > MAX_VALUES:
                break
            items = list(value.items() if isinstance(value, dict) else enumerate(value))
        prefix = f"{path}." if path else ""
        rest += [(f"{prefix}{key}", item, depth + 1) for key, item in items]
    raise ConfigError(f"{origin}: a configuration has at most {MAX_VALUES} values")


class _SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's loader of plain values, which refuses keys that occur twice. C is ten times as fast."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._merged = set[int]()

    def flatten_mapping(self, node: Any) -> None:
        """Resolve `<<`."""
        # YAML forbids keys that occur twice, of which PyYAML keeps the last one. The sections of `<<` come in
        # afterwards; their keys may be set again.
        seen = set[tuple[str, str]]()
        for key, _ in () if id(node) in self._merged else node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {_short(key.value)} is there twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        self._merged.add(id(node))
        super().flatten_mapping(node)


_SafeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
    for first, found in _SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Read a YAML file. A date without quotes is a text, as for OmegaConf.

    Raises:
        FileNotFoundError: There is no such file.
        NotADirectoryError: Its folder is a file.
        ConfigError: It cannot be read.
    """
    return parse_yaml(read_config_text(path), path)


def read_config_text(path: Path) -> str:
    """Return the text of a file of options; see `read_yaml`."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: it is not UTF-8 (byte {error.start})") from error


def parse_yaml(text: str, origin: object) -> Any:
    """Parse YAML; see `read_yaml`.

    Args:
        text: The YAML.
        origin: Where it comes from, for the message.

    Raises:
        ConfigError: It is not valid.
    """
    try:
        return yaml.load(text, _SafeLoader)
    except RecursionError:
        raise ConfigError(f"{origin} nests its values too deeply") from None
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):
            raise ConfigError(f"{origin} nests its values too deeply") from error
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ConfigError(f"{origin} is not valid YAML{line}: {error.problem or error.context}") from error
    # PyYAML passes on what Python raises for a malformed number, date or set.
    except Exception as error:
        raise ConfigError(
            f"{origin} is not valid YAML: a value is not of the type that its tag says, or too long"
        ) from error


def kind_of(value: Any) -> str:
    """Return what a value is, in a user's words."""
    return next((words for kind, words in TYPES.items() if isinstance(value, kind)), _name(type(value)))


def _fault(value: Any, path: str) -> str | None:
    """Return what is wrong with a value itself, or None."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                where = f" of {_short(path)}" if path else ""
                return (
                    f"the key {_short(key)}{where} is {kind_of(key)}, but a key is a text\n"
                    "    if it is meant as one, put it in quotes"
                )
    elif isinstance(value, str):
        if _nested_references(value) > MAX_REFERENCES:
            return f"{_short(path)} nests interpolations too deeply: at most {MAX_REFERENCES}"
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 64:
        return f"{_short(path)} has a number with too many digits"
    elif value is not None and not isinstance(value, bool | int | float | list | Path | Enum):
        hint = "\n    if it is meant as a text, put it in quotes" if isinstance(value, date) else ""
        return f"{_short(path)} is {kind_of(value)}, which no option can be{hint}"
    return None


def _nested_references(text: str) -> int:
    """Return how many interpolations are within each other."""
    deepest = depth = 0
    for sign in re.findall(r"\$\{|\}", text):
        depth = depth + 1 if sign == "${" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # Python does not spell the longest
        return "…"
    text = "null" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _name(kind: type) -> str:
    return f"a {kind.__name__}"

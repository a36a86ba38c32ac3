"""What a configuration may say, what it may read, and what of it may be written; see SECURITY.md.

A configuration is data: it chooses plugins by name and never names code. It environment_reads the environment
variables that the user allows, and what it read is written nowhere: the reference stands in its place.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from ocr_trainer.errors import CheckpointError, ConfigError

ALLOW_ENV = "OCR_TRAIN_ALLOW_ENV"
"""The environment variables that a configuration may read, with commas."""
UNSAFE_LOADING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

CODE_KEYS = frozenset(("_target_", "_partial_", "_args_", "_recursive_", "_convert_", "_call_"))
"""Keys with which Hydra builds what a configuration names."""
HYDRA_OPTIONS = (
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir", "hydra.verbose"),
    *("hydra.job.name", "hydra.job.chdir", "hydra/launcher", "hydra/sweeper"),
)
"""Hydra's own options that a command line may set, beside those of its launcher and sweeper."""
HYDRA_SECTIONS = ("hydra.launcher.", "hydra.sweeper.")
MOST_VALUES = 100_000
"""A configuration file with more is a bomb of YAML aliases."""

_URL = r"\b([A-Za-z][\w+.-]*:/)(?:/[^\s/?#'\"]+|[^\s/?#:'\"]*:[^\s/?#'\"]+)@"  # a path has one of its slashes
_SHORTEST = 6  # characters of a value that is looked for within texts; a shorter one is in too many words

_values: dict[str, str] = {}  # what was read from the environment, and the reference to it
_kept: dict[tuple[str, str, str], str] = {}  # section, option and value, and the reference that gave it
_reads = 0


# What a configuration may say


def code_keys(value: Any) -> Iterator[str]:
    """Yield the dotted keys within a configuration at which Hydra would build something.

    Raises:
        ConfigError: It has too many values.
    """
    rest, seen = [("", value)], 0
    while rest:
        path, value = rest.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ConfigError(f"a configuration has at most {MOST_VALUES} values")
        if isinstance(value, Mapping):
            yield from (f"{path}{key}" for key in value if key in CODE_KEYS)
            rest.extend((f"{path}{key}.", item) for key, item in value.items())
        elif isinstance(value, list | tuple):
            rest.extend((f"{path}{index}.", item) for index, item in enumerate(value))


def code_key_message(key: str, origin: str = "") -> str:
    """Say that a key names code."""
    return (
        f"{key}{origin} names code to run, which no configuration may\n"
        "    choose a plugin by its name instead: ocr-train list-plugins"
    )


def check_overrides(overrides: Iterable[str]) -> Iterator[str]:
    """Yield what overrides must not set: code, and those of Hydra's own options that lead to code."""
    for override in overrides:
        option, _, package = override.lstrip("+~").partition("=")[0].partition("@")
        if any(part in CODE_KEYS for part in re.split("[./@:]", f"{option}@{package}")):
            yield code_key_message(option, f" (from {override!r})")
        elif any(_is_hydras(place) and not _is_harmless(place) for place in (option, *package.split(":"))):
            yield (
                f"{override!r} sets an option of Hydra that can run code or read other files\n"
                f"    those that can be set: {', '.join(HYDRA_OPTIONS)}"
            )


def check_config_file(content: Any, package: str | None) -> Iterator[str]:
    """Yield what a configuration file that came from anywhere must not say.

    Args:
        content: What is in it.
        package: Where its header puts it.
    """
    yield from (code_key_message(key) for key in code_keys(content))
    if not isinstance(content, Mapping):
        return
    if any(str(key).partition(".")[0] == "hydra" for key in content) or _is_hydras(package or ""):
        yield (
            "it sets options of Hydra itself (hydra: …), which no file may\n"
            "    remove them, and set them on the command line, such as hydra.sweep.dir=DIR"
        )
    for choice in _choices(content.get("defaults")):
        if "hydra" in re.split(r"[\s/@:.]+", choice) or ".." in choice or "${" in choice:
            yield (
                f"its defaults choose '{choice}'\n"
                "    they may name files beside it and installed plugins, and nothing of Hydra itself"
            )


def _choices(defaults: Any) -> Iterator[str]:
    for entry in defaults if isinstance(defaults, list) else ():
        for group, names in entry.items() if isinstance(entry, Mapping) else [(entry, None)]:
            yield str(group)
            yield from map(str, names if isinstance(names, list) else [names])


def check_hydra_options(hydra: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of Hydra's own composed options makes it run code, however it came there."""
    own = ("launcher._target_", "sweeper._target_")  # Hydra takes none but its installed plugins
    yield from (code_key_message(f"hydra.{key}") for key in code_keys(hydra) if key not in own)
    job = hydra["job"]
    empty = {
        "callbacks": hydra["callbacks"],
        "searchpath": hydra["searchpath"],
        "job.env_set": job["env_set"],
        "job.env_copy": job["env_copy"],
        "job_logging": hydra["job_logging"]["root"],
        "hydra_logging": hydra["hydra_logging"]["root"],
        "output_subdir": hydra["output_subdir"],  # what Hydra writes there may hold credentials
    }
    yield from (f"hydra.{key} must stay as it is" for key, value in empty.items() if value)


def _is_hydras(place: str) -> bool:
    parts = re.split("[./]", place.strip().removeprefix("_global_."))
    return parts[0] == "hydra"


def _is_harmless(place: str) -> bool:
    return place in HYDRA_OPTIONS or place.startswith(HYDRA_SECTIONS)


def refuse_unsafe_loading() -> None:
    """Refuse to open checkpoints where the environment tells torch to run the code in them.

    Raises:
        CheckpointError: It does.
    """
    if os.environ.get(UNSAFE_LOADING, "").strip().lower() not in ("", "0", "n", "no", "false"):
        raise CheckpointError(
            f"{UNSAFE_LOADING} is set, with which opening a checkpoint runs the code in it: unset it"
        )


# What it may read


def environment(name: str, *default: Any) -> str | None:
    """Return an environment variable for `${oc.env:NAME}` or `${oc.env:NAME,DEFAULT}`.

    Raises:
        ConfigError: The user does not allow it, or it is not set.
    """
    global _reads
    allowed = [word.strip() for word in os.environ.get(ALLOW_ENV, "").split(",")]
    if not isinstance(name, str) or name not in allowed:
        raise ConfigError(
            f"${{oc.env:{name}}}: the configuration asks for an environment variable that it may not read\n"
            f"    to allow it: {ALLOW_ENV}={name}"
        )
    _reads += 1
    value = os.environ.get(name)
    if value is None:
        if not default:
            raise ConfigError(f"${{oc.env:{name}}}: the environment variable {name} is not set")
        return None if default[0] is None else str(default[0])
    if "${" in value:
        raise ConfigError(f"${{oc.env:{name}}}: the value of {name} must not hold '${{'")
    if value:
        _values[value] = f"${{oc.env:{name}}}"
    return value


def environment_reads() -> int:
    """Return how often configurations have asked for an environment variable."""
    return _reads


# What of it may be written


def remember_references(configuration: Any, references: Mapping[tuple[str, ...], str]) -> None:
    """Note which values were read from the environment.

    Args:
        configuration: The whole run as dicts, lists, strings and numbers.
        references: The text that the configuration has at a path, such as `${oc.env:X}`.
    """
    if references or configuration != redact_config(configuration):
        sys.excepthook = _without_secrets
    for path, text in references.items():
        value, section, option = configuration, "", ""
        for key in path:
            if isinstance(value, list):
                value = value[int(key)]
            else:
                value, section, option = value[key], option, key
        _kept[section, option, repr(value)] = text


def redact_config(value: Any, section: str = "", option: str = "") -> Any:
    """Return a configuration of dicts, lists, strings and numbers without what must not be written.

    What was read from the environment becomes the reference to it again, and a URL loses its credentials.
    """
    if (text := _kept.get((section, option, repr(value)))) is not None:
        return text
    if isinstance(value, dict):
        return {key: redact_config(item, option, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_config(item, section, option) for item in value]
    return redact(value) if isinstance(value, str) else value


def check_redacted_urls(value: Any, path: str = "") -> Iterator[str]:
    """Yield the keys of URLs that have lost their credentials, in words that say what to do."""
    if isinstance(value, str) and re.search(r":/{1,2}\*\*\*@", value):
        yield (
            f"{path} holds a URL whose credentials were not saved: give it again, {path}=…\n"
            "    or let it read them whenever it goes on: https://${oc.env:USER_AND_PASSWORD}@…"
        )
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from check_redacted_urls(item, f"{path}.{key}" if path else str(key))


def redact(text: str) -> str:
    """Return a text without the credentials of URLs and without what was read from the environment."""
    for value in sorted(_values, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, _values[value])
    return re.sub(_URL, r"\1/***@", text) if ":/" in text else text


def _without_secrets(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, but without what was read from the environment."""
    import traceback

    print(redact("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)

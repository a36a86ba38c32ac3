"""Security rules: what a configuration may contain, read and reveal; see SECURITY.md.

A configuration is data: it chooses plugins by name and never names code. It reads only the environment
variables that the user allows, and their values are never written: files keep the reference instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ocr_trainer.errors import CheckpointError, ConfigError

ALLOW_ENV = "OCR_TRAIN_ALLOW_ENV"
"""Environment variables that a configuration may read, separated by commas."""
UNSAFE_LOADING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

CODE_KEYS = frozenset(("_target_", "_partial_", "_args_", "_recursive_", "_convert_", "_call_"))
"""Keys that make Hydra instantiate code."""
HYDRA_OPTIONS = (
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir", "hydra.verbose"),
    *("hydra.job.name", "hydra.job.chdir", "hydra/launcher", "hydra/sweeper"),
)
"""Hydra options that a command line may set, besides those of its launcher and sweeper."""
HYDRA_SECTIONS = ("hydra.launcher.", "hydra.sweeper.")
MAX_VALUES = 100_000
"""Maximum number of values in a configuration; more indicate a YAML alias bomb."""

_URL = r"\b([A-Za-z][\w+.-]*:/)(?:/[^\s/?#'\"]+|[^\s/?#:'\"]*:[^\s/?#'\"]+)@"  # Path() reduces `//` to `/`
_MIN_SECRET = 6  # characters; shorter values occur in too many ordinary words to be masked within texts

_values: dict[str, str] = {}  # maps values from the environment to their references
_references: dict[tuple[str, str, str], str] = {}  # maps section, option and value to the reference
_reads = 0


# What a configuration may contain


def code_keys(value: Any) -> Iterator[str]:
    """Yield the dotted keys of a configuration that make Hydra instantiate code.

    Raises:
        ConfigError: It has too many values.
    """
    rest, seen = [("", value)], 0
    while rest:
        path, value = rest.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise ConfigError(f"a configuration has at most {MAX_VALUES} values")
        if isinstance(value, Mapping):
            yield from (f"{path}{key}" for key in value if key in CODE_KEYS)
            rest.extend((f"{path}{key}.", item) for key, item in value.items())
        elif isinstance(value, list | tuple):
            rest.extend((f"{path}{index}.", item) for index, item in enumerate(value))


def code_key_message(key: str, origin: str = "") -> str:
    """Return the message for a key that names code."""
    return (
        f"{key}{origin} names code to run, which is not allowed in a configuration\n"
        "    choose a plugin by its name instead: ocr-train list-plugins"
    )


def check_overrides(overrides: Iterable[str]) -> Iterator[str]:
    """Yield the errors of overrides that set code or Hydra options that can run code."""
    for override in overrides:
        option, _, package = override.lstrip("+~").partition("=")[0].partition("@")
        if any(part in CODE_KEYS for part in re.split("[./@:]", f"{option}@{package}")):
            yield code_key_message(option, f" (from {override!r})")
        elif any(
            _is_hydra_option(place) and not _is_harmless(place) for place in (option, *package.split(":"))
        ):
            yield (
                f"{override!r} sets an option of Hydra that can run code or read other files\n"
                f"    options that you can set: {', '.join(HYDRA_OPTIONS)}"
            )


def check_config_file(content: Any, package: str | None) -> Iterator[str]:
    """Yield the errors of an untrusted configuration file.

    Args:
        content: Parsed content of the file.
        package: Package in its header, or `None`.
    """
    yield from (code_key_message(key) for key in code_keys(content))
    if not isinstance(content, Mapping):
        return
    if any(str(key).partition(".")[0] == "hydra" for key in content) or _is_hydra_option(package or ""):
        yield (
            "it sets options of Hydra itself (hydra: …), which is not allowed in a file\n"
            "    set them on the command line instead, such as hydra.sweep.dir=DIR"
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
    """Yield the composed options of Hydra that make it run code, wherever they come from."""
    own = ("launcher._target_", "sweeper._target_")  # Hydra accepts only its installed plugins here
    yield from (code_key_message(f"hydra.{key}") for key in code_keys(hydra) if key not in own)
    job = hydra["job"]
    empty = {
        "callbacks": hydra["callbacks"],
        "searchpath": hydra["searchpath"],
        "job.env_set": job["env_set"],
        "job.env_copy": job["env_copy"],
        "job_logging": hydra["job_logging"]["root"],
        "hydra_logging": hydra["hydra_logging"]["root"],
        "output_subdir": hydra["output_subdir"],  # Hydra's files there may contain credentials
    }
    yield from (f"hydra.{key} must not be changed" for key, value in empty.items() if value)


def _is_hydra_option(place: str) -> bool:
    parts = re.split("[./]", place.strip().removeprefix("_global_."))
    return parts[0] == "hydra"


def _is_harmless(place: str) -> bool:
    return place in HYDRA_OPTIONS or place.startswith(HYDRA_SECTIONS)


def refuse_unsafe_loading() -> None:
    """Refuse to open checkpoints if the environment makes torch run the code in them.

    Raises:
        CheckpointError: The variable is set.
    """
    if os.environ.get(UNSAFE_LOADING, "").strip().lower() not in ("", "0", "n", "no", "false"):
        raise CheckpointError(
            f"{UNSAFE_LOADING} is set, so opening a checkpoint would run the code in it: unset it"
        )


# What it may read


def environment(name: str, *default: Any) -> str | None:
    """Return an environment variable for `${oc.env:NAME}` or `${oc.env:NAME,DEFAULT}`.

    Raises:
        ConfigError: The variable is not allowed or not set.
    """
    global _reads
    allowed = [word.strip() for word in os.environ.get(ALLOW_ENV, "").split(",")]
    if not isinstance(name, str) or name not in allowed:
        raise ConfigError(
            f"${{oc.env:{name}}}: the configuration may not read this environment variable\n"
            f"    to allow it, set {ALLOW_ENV}={name}"
        )
    _reads += 1
    value = os.environ.get(name)
    if value is None:
        if not default:
            raise ConfigError(f"${{oc.env:{name}}}: the environment variable {name} is not set")
        return None if default[0] is None else str(default[0])
    if "${" in value:
        raise ConfigError(f"${{oc.env:{name}}}: the value of {name} must not contain '${{'")
    if value:
        _values[value] = f"${{oc.env:{name}}}"
    return value


def environment_reads() -> int:
    """Return how often configurations have read an environment variable."""
    return _reads


# What it may reveal


def remember_references(configuration: Any, references: Mapping[tuple[str, ...], str]) -> None:
    """Remember which values were read from the environment.

    Args:
        configuration: Whole run as dicts, lists, strings and numbers.
        references: Maps paths in the configuration to the interpolation there, such as `${oc.env:X}`.
    """
    for path, text in references.items():
        value, section, option = configuration, "", ""
        for key in path:
            if isinstance(value, list):
                value = value[int(key)]
            else:
                value, section, option = value[key], option, key
        _references[section, option, repr(value)] = text


def redact_config(value: Any, section: str = "", option: str = "") -> Any:
    """Return a configuration of dicts, lists, strings and numbers without secrets.

    Values from the environment become references again, and URLs lose their credentials.
    """
    if (text := _references.get((section, option, repr(value)))) is not None:
        return text
    if isinstance(value, dict):
        return {key: redact_config(item, option, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_config(item, section, option) for item in value]
    return redact(value) if isinstance(value, str) else value


def check_redacted_urls(value: Any, path: str = "") -> Iterator[str]:
    """Yield a message for each URL that has lost its credentials."""
    if isinstance(value, str) and re.search(r":/{1,2}\*\*\*@", value):
        yield (
            f"{path} contains a URL whose credentials were not saved: set it again with {path}=…\n"
            "    or read them from the environment on each resume: https://${oc.env:USER_AND_PASSWORD}@…"
        )
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from check_redacted_urls(item, f"{path}.{key}" if path else str(key))


def redact(text: str) -> str:
    """Return a text without URL credentials and values from the environment."""
    for value in sorted(_values, key=len, reverse=True):
        if len(value) >= _MIN_SECRET:
            text = text.replace(value, _values[value])
    return re.sub(_URL, r"\1/***@", text) if ":/" in text else text

"""What a configuration may read and reveal; see SECURITY.md.

Overrides and installed configurations may read every environment variable; a configuration that people
share, such as that of a checkpoint, reads no secrets. Files keep references instead of the values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ocr_trainer.errors import CheckpointError, ConfigError

ALLOW_ENV = "OCR_TRAIN_ALLOW_ENV"
"""Secret environment variables that every configuration may read, separated by commas."""
HIDDEN_ENV = "OCR_TRAIN_SECRET_VARIABLES"
"""Names or patterns of further secret environment variables, separated by commas."""
SECRET_NAME = re.compile(
    "TOKEN(?!IZER)|KEY(?!BOARD|MAP)|SECRET|PASS|CREDENTIAL|COOKIE|WEBHOOK|AUTH(?!ORS?(_|$))", re.IGNORECASE
)
"""What the name of a secret environment variable contains."""
UNSAFE_LOADING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

_URL = r"\b([A-Za-z][\w+.-]*:/)(?:/[^\s/?#'\"]+|[^\s/?#:'\"]*:[^\s/?#'\"]+)@"  # Path() reduces `//` to `/`
_MIN_SECRET = 6  # characters; shorter values occur in too many ordinary words to be masked within texts

_values: dict[str, str] = {}  # maps secret values that configurations have read to their variables
_references: dict[tuple[str, str, str], str] = {}  # maps section, option and value to the reference
_reads = 0


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


def is_secret(name: str, value: str = "") -> bool:
    """Return whether an environment variable is secret: its name says so, or its URL has credentials."""
    return (
        SECRET_NAME.search(name) is not None
        or any(fnmatchcase(name.upper(), pattern.upper()) for pattern in _listed(HIDDEN_ENV))
        or (":/" in value and re.search(_URL, value) is not None)
    )


def check_untrusted_reads(content: Any) -> Iterator[str]:
    """Yield what a configuration from an untrusted source reads of the environment but may not.

    Args:
        content: The configuration as dicts, lists and values, with its interpolations unresolved.
    """
    from ocr_trainer.internals.hydra import resolver_calls

    for path, text in interpolations(content):
        try:
            calls = list(resolver_calls(text))
        except RecursionError:
            yield f"{'.'.join(path)} nests its values too deeply"
            continue
        for resolver, argument in calls:
            if "$" in resolver or (resolver == "oc.env" and not re.fullmatch(r"\w+", argument)):
                yield f"{'.'.join(path)}: {text} must name the variable that it reads: ${{oc.env:NAME}}"
            elif resolver == "oc.env" and not _anyone_may_read(argument):
                yield (
                    f"{'.'.join(path)}: {text} reads a secret, which only the command line may do\n"
                    f"    set this option there, or allow the variable everywhere: {ALLOW_ENV}={argument}"
                )


def _anyone_may_read(name: str) -> bool:
    return name in _listed(ALLOW_ENV) or not is_secret(name, os.environ.get(name, ""))


def interpolations(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the text of each value with an interpolation."""
    rest: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while rest:
        path, value = rest.pop()
        if isinstance(value, str) and "${" in value:
            yield path, value
        elif isinstance(value, dict):
            rest += [((*path, str(key)), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            rest += [((*path, str(index)), item) for index, item in reversed(list(enumerate(value)))]


def environment(name: str, *default: Any) -> str | None:
    """Return an environment variable for `${oc.env:NAME}` or `${oc.env:NAME,DEFAULT}`.

    Raises:
        ConfigError: The variable is not set.
    """
    global _reads
    _reads += 1
    value = os.environ.get(str(name))
    if value is None:
        if not default:
            raise ConfigError(f"${{oc.env:{name}}}: the environment variable {name} is not set")
        return None if default[0] is None else str(default[0])
    if "${" in value:
        raise ConfigError(f"${{oc.env:{name}}}: the value of {name} must not contain '${{'")
    if value and (is_secret(name, value) or name in _listed(ALLOW_ENV)):
        _values[value] = name
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


def redact_config(value: Any) -> Any:
    """Return a configuration of dicts, lists, strings and numbers without secrets.

    Values from the environment become references again, and URLs lose their credentials.
    """
    return _redact_section(value, "", "", _masks())


def _redact_section(value: Any, section: str, option: str, masks: Mapping[str, str]) -> Any:
    if (text := _references.get((section, option, repr(value)))) is not None:
        return text
    if isinstance(value, dict):
        return {key: _redact_section(item, option, str(key), masks) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact_section(item, section, option, masks) for item in value]
    return _mask(value, masks) if isinstance(value, str) else value


def check_folder_name(name: str, key: str) -> Iterator[str]:
    """Yield an error if the name of a folder contains a secret that the configuration has read."""
    for value, variable in _values.items():
        if value in name and variable not in _listed(ALLOW_ENV):
            yield (
                f"{key} contains the secret {variable}, which would be visible as the name of a folder\n"
                f"    if it is no secret, set {ALLOW_ENV}={variable}"
            )


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
    """Return a text without URL credentials and without the values of secret environment variables."""
    return _mask(text, _masks())


def _masks() -> dict[str, str]:
    """Map each secret value, also as `repr` spells it, to its reference; the longest value first."""
    variables = {value: name for name, value in os.environ.items() if is_secret(name, value)} | _values
    spelled = {repr(value)[1:-1]: name for value, name in variables.items()}
    longest_first = sorted((variables | spelled).items(), key=lambda item: -len(item[0]))
    return {value: f"${{oc.env:{name}}}" for value, name in longest_first if len(value) >= _MIN_SECRET}


def _mask(text: str, masks: Mapping[str, str]) -> str:
    for value, reference in masks.items():
        text = text.replace(value, reference)
    return re.sub(_URL, r"\1/***@", text) if ":/" in text else text


def _listed(variable: str) -> list[str]:
    """Return the words of an environment variable that lists some."""
    return [word for part in os.environ.get(variable, "").split(",") if (word := part.strip())]

"""Hydra's and OmegaConf's objections in our users' words; `compose` is the only caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import get_type_hints

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)
from yaml import YAMLError

from ocr_trainer.config.renames import new_name, task_of
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import OcrTrainerError, PluginError, did_you_mean
from ocr_trainer.plugin import Kind, discovery

LONGEST = 100
"""Characters of an override that are shown."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, and the override that is to blame if one is."""

    message: str
    override: str | None = None
    error: PluginError | None = None
    """Our own error, where that is what it is."""
    fatal: bool = False
    """Whatever depends on it cannot be judged, as the options of a plugin that is not there."""


def unknown(key: str, options: Iterable[str], origin: str, run: type[RunConfig] = RunConfig) -> str:
    """Say that an option does not exist, and which do: under its new name, in other tasks, or beside it.

    Args:
        key: The dotted name of the option.
        options: The options that its section has.
        origin: Where the key comes from, as `_origin` says it.
        run: The class of the run's configuration.
    """
    if (renamed := new_name(key)) is not None:
        return f"there is no option '{key}'{origin}: it is now called '{renamed}'"
    if (task := task_of(key, run)) is not None:
        return f"'{key}'{origin} is an option of {task.value}, which is not what this run's model does"
    section, _, name = key.rpartition(".")
    known = list(options)
    meant = (
        did_you_mean(name, known).replace("'", f"'{section}.", 1) if section else did_you_mean(name, known)
    )
    where = f"of {section}" if section else "of a run"
    return f"there is no option '{key}'{origin}.{meant}\n    options {where}: {', '.join(known)}"


def shown(text: str) -> str:
    """Return a text as Python writes it, but no more of it than fits a line."""
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def _culprit(key: str, overrides: Sequence[str]) -> str | None:
    """Return the last override that sets `key`, something below it, or something above it."""
    for override in reversed(overrides):
        if _key(override) == key:
            return override
    related = (
        o
        for o in reversed(overrides)
        if f"{_key(o)}.".startswith(f"{key}.") or f"{key}.".startswith(f"{_key(o)}.")
    )
    return next(related, None)


def _origin(error: Exception, override: str | None) -> str:
    """Say where a key came from: a file, if Hydra names one, else the command line."""
    text = str(error)
    if text.startswith("In '"):
        return f" (in {text.split(chr(39))[1]}.yaml)"
    return f" (from {shown(override)})" if override else ""


def _missing(error: MissingConfigException, overrides: Sequence[str]) -> Fault:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    override = _culprit(group, overrides)
    if group in {kind.value for kind in Kind}:
        try:
            discovery.find(Kind(group), name)
        except PluginError as found:
            return Fault(str(found), override, found, fatal=True)
    options = list(error.options or [])
    available = f"\n    available: {', '.join(options)}" if options else ""
    return Fault(
        f"there is no {group} '{name}'.{did_you_mean(name, options)}{available}", override, fatal=True
    )


def unresolved(error: Exception) -> str:
    """Say why an interpolation stands for nothing."""
    if isinstance(error, RecursionError):
        return "an interpolation stands for itself, or for too much"
    cause: BaseException | None = error
    while cause := cause and (cause.__cause__ or cause.__context__):
        if isinstance(cause, OcrTrainerError):
            return str(cause)
    if isinstance(error, UnsupportedInterpolationType):
        name = str(error).splitlines()[0].rpartition(" ")[2]
        return (
            f"${{{name}:…}} cannot be used\n"
            "    a configuration may use ${KEY}, ${oc.select:KEY,DEFAULT}, ${oc.env:NAME} and ${now:FORMAT}"
        )
    return str(error).splitlines()[0]


def explain(error: Exception, overrides: Sequence[str], path: str = "") -> Fault:
    """Say what Hydra or OmegaConf objected to, at a key below `path`."""
    if isinstance(error, PluginError):
        return Fault(str(error), error=error, fatal=True)
    if isinstance(error, MissingConfigException):
        return _missing(error, overrides)
    if isinstance(error, YAMLError):
        return Fault(f"a configuration file is not YAML: {' '.join(str(error).split())}", fatal=True)
    if isinstance(error, OverrideParseException):
        advice = "write key=value, and quote a value with spaces or special characters: \"key='a b'\""
        return Fault(f"the override {shown(error.override)} cannot be read\n    {advice}", error.override)
    if "Config group override must be a string" in str(error):
        culprit = next((o for o in overrides if o.endswith("=null") or o.startswith("=")), None)
        return Fault(
            f"{culprit or 'an override'} chooses nothing: leave it out, or write [] for an empty list",
            culprit,
        )
    if isinstance(error, RecursionError):
        deepest = max(overrides, key=len, default="a configuration file")
        return Fault(f"{shown(deepest)} nests its values too deeply", fatal=True)
    if "integer string conversion" in str(error):
        longest = max(overrides, key=len, default="a configuration file")
        return Fault(f"{shown(longest)} has a number of too many digits", fatal=True)
    if isinstance(error, AttributeError | TypeError | AssertionError):
        added = [shown(o) for o in overrides if o.startswith("+")] or [shown(o) for o in overrides]
        return Fault(f"{' or '.join(added)} adds to what is null or no section", fatal=True)
    # Hydra chains the cause of an override's fault, and leaves that of a file's in the context.
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__ or error.__context__
    if not isinstance(cause, OmegaConfBaseException):
        return Fault(str(error).splitlines()[0], fatal=True)
    key = f"{path}{cause.full_key or cause.key or ''}"
    override = _culprit(key, overrides)
    origin = _origin(error, override)
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        owner = cause.object_type
        options = [field.name for field in fields(owner)] if is_dataclass(owner) else []
        return Fault(unknown(key, options, origin), override)
    reason = str(cause.msg or cause).splitlines()[0]
    if " is not a subclass of " in reason and is_dataclass(owner := cause.object_type):
        section = get_type_hints(owner).get(key.rpartition(".")[2])
        options = [f"{key}.{field.name}" for field in fields(section)] if is_dataclass(section) else []
        return Fault(f"{key}{origin} is a section: set {' or '.join(options) or 'its options'}", override)
    return Fault(f"{key}{origin}: {reason[:1].lower()}{reason[1:]}", override)

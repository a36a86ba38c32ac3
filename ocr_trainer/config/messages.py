"""Translate errors of Hydra and OmegaConf into messages for users."""

from __future__ import annotations

import re
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

from ocr_trainer.config.hydra_source import PRESETS, PluginSource
from ocr_trainer.config.renames import new_name, task_of
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.slips import remedy, without_package
from ocr_trainer.errors import OcrTrainerError, PluginError, did_you_mean
from ocr_trainer.plugin import GROUPS, PLUGIN_TYPES, discovery

SAVED = "experiment=_saved"
"""The override that chooses a saved configuration; users do not write it."""
SAVED_FILE = SAVED.replace("=", "/")
MAX_SHOWN = 100
"""Longest part of an override that messages show, in characters."""


GROUP = re.compile(r"Could not override '([^'@]+)")
"""Hydra's message for an override of a config group that does not exist."""
SEVERAL = re.compile(r"Ambiguous value for argument '(.+)'$", re.MULTILINE)
"""Hydra's message for an override with several values where no sweep is meant."""
IN_FILE = re.compile(r" \(in (.+\.yaml)\)")
"""What `_origin` says of a file."""
RAISED = re.compile(r"(\w+) raised while resolving interpolation: ?(.*)")
"""OmegaConf's message for a resolver that raises an exception."""


@dataclass(frozen=True)
class ConfigProblem:
    """A problem with a configuration, and the override that causes it, if any."""

    message: str
    override: str | None = None
    error: PluginError | None = None
    """The plugin error behind the problem, if any."""
    fatal: bool = False
    """Later checks depend on this one, as the options of a missing plugin do."""


def unknown(key: str, options: Iterable[str], origin: str, run: type[RunConfig] = RunConfig) -> str:
    """Return the message for an unknown option: its new name, its task, or the options that exist.

    Args:
        key: The dotted name of the option.
        options: The options that its section has.
        origin: Where the key comes from, in the form of `_origin`.
        run: The class of the run's configuration.
    """
    if (renamed := new_name(key)) is not None:
        return f"there is no option '{key}'{origin}: it is now called '{renamed}'"
    if (task := task_of(key, run)) is not None:
        return f"'{key}'{origin} is an option of {task.value} runs; this run's model does another task"
    section, _, name = key.rpartition(".")
    known = list(options)
    if section and not known:
        # A plugin's options inside a named part are checked after Hydra, which knows only what files set.
        return f"there is no option '{key}'{origin} yet\n    to add it: +{key}=…"
    meant = (
        did_you_mean(name, known).replace("'", f"'{section}.", 1) if section else did_you_mean(name, known)
    )
    where = f"of {section}" if section else "of a run"
    return f"there is no option '{key}'{origin}.{meant}\n    options {where}: {', '.join(known)}"


def shown(text: str) -> str:
    """Return the `repr` of a text, truncated to one line."""
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def _find_override(key: str, overrides: Sequence[str]) -> str | None:
    """Return the last override that sets `key`, a key below it, or a key above it."""
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
    """Return where a key comes from: a file if Hydra names one, else the command line."""
    text = str(error)
    if override == SAVED or text.startswith(f"In '{SAVED_FILE}'"):
        return " (in the saved configuration)"
    if text.startswith("In '"):
        return f" (in {text.split(chr(39))[1]}.yaml)"
    return f" (from {shown(override)})" if override else ""


def _missing(error: MissingConfigException, overrides: Sequence[str]) -> ConfigProblem:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    override = _find_override(group, overrides)
    if group in GROUPS and group not in PRESETS:
        try:
            discovery.find(GROUPS[group], name)
        except PluginError as found:
            return ConfigProblem(str(found), override, found, fatal=True)
    if (renamed := new_name(group)) is not None:
        return ConfigProblem(
            f"there is no option '{group}': it is now called '{renamed}'", override, fatal=True
        )
    # Hydra gives the options of a single choice, but not of a list.
    options = list(error.options or (PluginSource.names(group) if group in PRESETS else []))
    available = f"\n    available: {', '.join(options)}" if options else ""
    return ConfigProblem(
        f"there is no {group} '{name}'.{did_you_mean(name, options)}{available}", override, fatal=True
    )


def without_hyphens(word: str) -> str:
    """Return an override for a word such as `--optimizer.lr=0.1`."""
    key, equals, value = word.lstrip("-").partition("=")
    return f"{key.replace('-', '_')}={value}" if equals else f"{key.replace('-', '_')}=VALUE"


def _several_values(override: str) -> str:
    """Return the message for an override such as `optimizer.lr=1e-3,3e-3` without a sweep."""
    key, _, value = override.partition("=")
    group = key.lstrip("+")
    lines = [f"{shown(override)} gives several values", f"for a run with each of them, add -m: -m {override}"]
    if group not in GROUPS or PLUGIN_TYPES[GROUPS[group]].many:
        lines.append(f"for a list, add brackets: {key}=[{value}]")
    if group not in GROUPS:
        lines.append(f"for one text with commas, quote it: \"{key}='{value}'\"")
    return "\n    ".join(lines)


def _not_removable(text: str, cause: str, removed: Sequence[str]) -> ConfigProblem:
    """Return the problem of an override such as `~optimizer.lr`, which removes what cannot be removed."""
    override = next((o for o in removed if f"'{o[1:]}'" in text), None)
    override = override or next((o for o in removed if _key(o).rpartition(".")[2] in cause), removed[-1])
    key = _key(override)
    what = "there is nothing to remove" if "Could not delete" in text else "an option cannot be removed"
    if key in GROUPS and PLUGIN_TYPES[GROUPS[key]].many:
        message = f"{shown(override)}: a list cannot be removed\n    for none, set {key}=[]"
    else:
        message = (
            f"{shown(override)}: {what}\n"
            f"    leave the override out for the default, or set a value: {key}=VALUE"
        )
    return ConfigProblem(message, override)


def unresolved(error: Exception) -> str:
    """Return why an interpolation cannot be resolved."""
    if isinstance(error, RecursionError):
        return "an interpolation refers to itself or expands too far"
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
    return _without_type(str(error).splitlines()[0])


def _without_type(reason: str) -> str:
    """Return OmegaConf's first line without the exception of a resolver, if it names one."""
    if "HydraConfig was not set" in reason:
        return (
            "${hydra:…} has a value only in the runs of a sweep (-m), and never in exp_name or output_dir: "
            "write the value itself"
        )
    if raised := RAISED.match(reason):
        return f"an interpolation cannot be resolved: {raised[2] or raised[1]}"
    return reason


def explain(error: Exception, overrides: Sequence[str], path: str = "") -> ConfigProblem:
    """Translate an error of Hydra or OmegaConf at a key below `path`."""
    if isinstance(error, PluginError):
        return ConfigProblem(str(error), error=error, fatal=True)
    if isinstance(error, MissingConfigException):
        return _missing(error, overrides)
    if isinstance(error, YAMLError):
        return ConfigProblem(
            f"a configuration file is not valid YAML: {' '.join(str(error).split())}", fatal=True
        )
    if isinstance(error, OverrideParseException):
        advice = "write key=value, and quote a value with spaces or special characters: \"key='a b'\""
        if str(error.override).startswith("-"):
            advice = f"options have no hyphens: {without_hyphens(error.override)}"
        return ConfigProblem(
            f"the override {shown(error.override)} cannot be parsed\n    {advice}", error.override
        )
    if several := SEVERAL.match(str(error)):
        return ConfigProblem(_several_values(several[1]), several[1])
    if removed := [o for o in overrides if o.startswith("~")]:
        reason = str(error.__cause__ or error.__context__ or error)
        if "does not support deletion" in reason or "Could not delete" in str(error):
            return _not_removable(str(error), reason, removed)
    if slip := remedy(str(error), overrides):
        return ConfigProblem(*slip)
    if isinstance(error, RecursionError):
        deepest = max(overrides, key=len, default="a configuration file")
        return ConfigProblem(f"{shown(deepest)} nests its values too deeply", fatal=True)
    if "integer string conversion" in str(error):
        longest = max(overrides, key=len, default="a configuration file")
        return ConfigProblem(f"{shown(longest)} has a number with too many digits", fatal=True)
    if isinstance(error, AttributeError | TypeError | AssertionError):
        given = [override for override in overrides if override != SAVED]
        added = [shown(o) for o in given if o.startswith("+")] or [shown(o) for o in given]
        who = " or ".join(added) or "the configuration"
        return ConfigProblem(f"{who} adds a key to a value that is null or not a section", fatal=True)
    # Hydra chains the cause of an error in an override, but only sets the context for one in a file.
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__ or error.__context__
    if not isinstance(cause, OmegaConfBaseException):
        if (group := GROUP.search(str(error))) and (renamed := new_name(group[1])) is not None:
            origin = _origin(error, _find_override(group[1], overrides))
            message = f"there is no config group '{group[1]}'{origin}: it is now called '{renamed}'"
            return ConfigProblem(message, fatal=True)
        return ConfigProblem(str(error).splitlines()[0], fatal=True)
    key = f"{path}{cause.full_key or cause.key or ''}"
    override = _find_override(key, overrides)
    origin = _origin(error, override)
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        if (file := IN_FILE.fullmatch(origin)) and (lacking := without_package(key, file[1])):
            return ConfigProblem(lacking, override, fatal=True)
        owner = cause.object_type
        options = [field.name for field in fields(owner)] if is_dataclass(owner) else []
        # OmegaConf names the first unknown section only; a renamed option may lie below it.
        below = _key(override) if override is not None else key
        renamed = below if below.startswith(f"{key}.") and new_name(below) is not None else key
        return ConfigProblem(unknown(renamed, options, origin), override)
    reason = _without_type(str(cause.msg or cause).splitlines()[0])
    if " is not a subclass of " in reason and is_dataclass(owner := cause.object_type):
        section = get_type_hints(owner).get(key.rpartition(".")[2])
        options = [f"{key}.{field.name}" for field in fields(section)] if is_dataclass(section) else []
        return ConfigProblem(
            f"{key}{origin} is a section: set {' or '.join(options) or 'its options'}", override
        )
    return ConfigProblem(f"{key}{origin}: {reason[:1].lower()}{reason[1:]}", override)

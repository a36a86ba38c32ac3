"""Remedies for slips in overrides and files on which Hydra stops with a message about its own parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

SWEPT = re.compile(r"Sweep parameters '(.+)' requires --multirun", re.DOTALL)
"""Hydra's message for `range(1,3)`, `choice(…)` or `interval(…)` where no sweep is meant."""
APPENDED = re.compile(r"Could not append to config\. An item is already at '(.+)'")
"""Hydra's message for `+` before an option that exists."""
GROUP_MISMATCH = re.compile(r"Could not (?:override|append) '([^']*@?[^']*)'")
"""Hydra's message for a config group, or a section for it, that does not exist."""
NO_TEXT = "Config group override must be a string"
"""Hydra's message for a plugin or preset whose name is no text."""


def remedy(said: str, overrides: Sequence[str]) -> tuple[str, str | None] | None:
    """Return what to write instead, and the override at fault, or None for another error.

    Args:
        said: Hydra's message.
        overrides: The overrides of the command line.
    """
    if swept := SWEPT.search(said):
        return f"{swept[1]!r} gives several values\n    for a run with each, add -m: -m {swept[1]}", swept[1]
    if appended := APPENDED.search(said):
        override = next((o for o in overrides if o.startswith("+") and _key(o) == appended[1]), None)
        write = (override or f"+{appended[1]}=VALUE").lstrip("+")
        return f"{appended[1]} exists already, so + cannot add it: write {write}", override
    if said.startswith("ConfigLoader is not set"):
        override = next((o for o in overrides if "glob(" in o), None)
        return f"{override or 'glob(…)'!r}: glob(…) works only in a sweep: add -m", override
    if (group := GROUP_MISMATCH.search(said)) and "@" in group[1]:
        override = next((o for o in overrides if o.lstrip("+~").partition("=")[0] == group[1]), None)
        name = group[1].partition("@")[0] or group[1].strip("@")
        return f"{override or group[1]!r}: an override has no @: write {name}=NAME", override
    if NO_TEXT in said:
        return _no_text(overrides)
    return None


def without_package(key: str, file: str) -> str | None:
    """Return the message for a file of `--config-dir` whose options lie in a section of the folder's name.

    Args:
        key: The option that does not exist.
        file: The file, relative to the folder of `--config-dir`.
    """
    folder, slash, _ = file.partition("/")
    if not slash or key.partition(".")[0] != folder:
        return None
    return (
        f"{file} lacks the line '# @package _global_', so its options belong to a section '{folder}', "
        "which does not exist\n    write it as the first line of the file"
    )


def _no_text(overrides: Sequence[str]) -> tuple[str, str | None]:
    for override in overrides:
        try:
            parsed = OverridesParser.create().parse_override(override)
            value = parsed.value()
        except (HydraException, RecursionError, ValueError):
            continue
        key, _, written = override.partition("=")
        if not key or "." in key or not written or value is None or isinstance(value, str | list):
            continue
        return (
            f"{override!r}: {written} is not a text, but plugins and presets are chosen by name\n"
            f"    if it is a name, quote it: \"{key}='{written}'\"",
            override,
        )
    empty = next((o for o in overrides if o.endswith("=null") or o.startswith("=")), None)
    return f"{empty or 'an override'} has no value: leave it out, or write [] for an empty list", empty


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]

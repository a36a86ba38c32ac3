"""Rules that allow and deny plugins by name, in the environment or on the command line.

An entry is `name`, `kind/name`, `distribution:name` or `kind/distribution:name`; each part may be a
pattern, as in `acme-*:*`. A plugin that any rule denies, or that any list of allowed plugins leaves out,
is not imported. Built-in plugins are always allowed, but can be denied. A rule that allows a model also
allows the backbones and configurations of its distribution.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ocr_trainer.errors import ConfigError

if TYPE_CHECKING:
    from ocr_trainer.plugin import Kind

ALLOW, DENY = "OCR_TRAIN_ALLOW_PLUGINS", "OCR_TRAIN_DISABLE_PLUGINS"
ALLOW_KEY, DENY_KEY = "plugins.allow", "plugins.deny"
CORE = "ocr-trainer"
ENTRY = re.compile(r"(?:([^/:]+)/)?(?:([^/:]+):)?([^/:]+)")

_command_line_rules: dict[str, list[str]] = {}


def restrict(allow: Sequence[str] | None = None, deny: Sequence[str] = ()) -> None:
    """Set the rules of this process, in addition to those in the environment; replace earlier calls.

    Args:
        allow: Entries of the only plugins that may be used: `[]` for none, `None` for all.
        deny: Entries of plugins that must not be used.
    """
    _command_line_rules.clear()
    if allow is not None:
        _command_line_rules[ALLOW_KEY] = list(allow)
    if deny:
        _command_line_rules[DENY_KEY] = list(deny)


def pop_rules(arguments: Sequence[str]) -> list[str]:
    """Apply the rules among the arguments of a command and return the other arguments.

    Raises:
        ConfigError: An argument sets a key below `plugins.` that is not a rule.
    """
    rules_by_key: dict[str, list[str]] = {}
    rest = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key.startswith("plugins."):
            rest.append(argument)
        elif key in (ALLOW_KEY, DENY_KEY):
            rules_by_key[key] = _parse_list(value.strip().removeprefix("[").removesuffix("]"))
        else:
            raise ConfigError(
                f"'{argument}' is not a rule for plugins\n  write {ALLOW_KEY}=[NAME,…] or {DENY_KEY}=[NAME,…]"
            )
    restrict(rules_by_key.get(ALLOW_KEY), rules_by_key.get(DENY_KEY, ()))
    return rest


def rules() -> dict[str, list[str]]:
    """Return the entries in force, by the variable or key that sets them; an empty variable sets none."""
    found = {name: _parse_list(os.environ[name]) for name in (ALLOW, DENY) if os.environ.get(name)}
    return {**found, **_command_line_rules}


def denial(kind: Kind, distribution: str, name: str, owners: Sequence[tuple[Kind, str]] = ()) -> str | None:
    """Return the rule that denies a plugin, such as `OCR_TRAIN_DISABLE_PLUGINS=acme:*`, or `None`.

    Args:
        kind: The kind of the plugin.
        distribution: Its distribution.
        name: Its name.
        owners: Kind and name of plugins of the same distribution. If one of them is allowed, so is this one.

    Raises:
        ConfigError: A rule cannot be parsed.
    """
    for origin, entries in rules().items():
        matches = [entry for entry in entries if _matches(entry, origin, kind, distribution, name)]
        if origin in (DENY, DENY_KEY) and matches:
            return _format_rule(origin, matches[:1])
        if origin in (ALLOW, ALLOW_KEY) and not matches and distribution != CORE:
            if any(_matches(entry, origin, k, distribution, n) for entry in entries for k, n in owners):
                continue
            return f"{_format_rule(origin, entries)}, which does not list it"
    return None


def canonical_name(distribution: str) -> str:
    """Return a distribution's name in its canonical form: `Acme_OCR` becomes `acme-ocr`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _matches(entry: str, origin: str, kind: Kind, distribution: str, name: str) -> bool:
    parts, kinds = ENTRY.fullmatch(entry), [known.value for known in type(kind)]
    if parts is None or not any(fnmatchcase(known, parts[1] or "*") for known in kinds):
        raise ConfigError(
            f"{origin}: '{entry}' is not an entry for plugins\n"
            "  write name, kind/name, distribution:name or distribution:*, "
            f"where kind is {', '.join(kinds)}"
        )
    return (
        fnmatchcase(kind.value, parts[1] or "*")
        and fnmatchcase(canonical_name(distribution), canonical_name(parts[2] or "*"))
        and fnmatchcase(name, parts[3])
    )


def _format_rule(origin: str, entries: Sequence[str]) -> str:
    text = ",".join(entries)
    return f"{origin}=[{text}]" if origin in (ALLOW_KEY, DENY_KEY) else f"{origin}={text}"


def _parse_list(text: str) -> list[str]:
    return [entry for part in text.split(",") if (entry := part.strip(" '\""))]

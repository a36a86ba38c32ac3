"""Which plugins may be used: allowed and denied by name, in the environment or in the words of a command.

An entry is `name`, `kind/name`, `distribution:name` or `kind/distribution:name`; each part may be a
pattern, as in `acme-*:*`. A plugin that is denied anywhere, or left out of any list of what is allowed,
is not imported. What comes with the core needs no allowing, but can be denied.
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
ALLOW_WORD, DENY_WORD = "plugins.allow", "plugins.deny"
CORE = "ocr-trainer"
ENTRY = re.compile(r"(?:([^/:]+)/)?(?:([^/:]+):)?([^/:]+)")

_of_command: dict[str, list[str]] = {}


def restrict(allow: Sequence[str] | None = None, deny: Sequence[str] = ()) -> None:
    """Let rules hold in this process beside those of the environment, instead of the last that were given.

    Args:
        allow: The only plugins that may be used, `[]` for none; any if `None`.
        deny: Plugins that may not be used.
    """
    _of_command.clear()
    if allow is not None:
        _of_command[ALLOW_WORD] = list(allow)
    if deny:
        _of_command[DENY_WORD] = list(deny)


def pop_rules(words: Sequence[str]) -> list[str]:
    """Let the rules among the words of a command hold; return the other words.

    Raises:
        ConfigError: A word sets something of `plugins.` that is no rule.
    """
    given: dict[str, list[str]] = {}
    rest = []
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key.startswith("plugins."):
            rest.append(word)
        elif key in (ALLOW_WORD, DENY_WORD):
            given[key] = _listed(value.strip().removeprefix("[").removesuffix("]"))
        else:
            raise ConfigError(
                f"'{word}' is no rule for plugins\n  write {ALLOW_WORD}=[NAME,…] or {DENY_WORD}=[NAME,…]"
            )
    restrict(given.get(ALLOW_WORD), given.get(DENY_WORD, ()))
    return rest


def rules() -> dict[str, list[str]]:
    """Return the entries in force, by the variable or word that gives them; an empty variable gives none."""
    found = {name: _listed(os.environ[name]) for name in (ALLOW, DENY) if os.environ.get(name)}
    return {**found, **_of_command}


def denial(kind: Kind, distribution: str, name: str) -> str | None:
    """Return the rule that denies a plugin, as `OCR_TRAIN_DISABLE_PLUGINS=acme:*`; `None` where none does.

    Raises:
        ConfigError: A rule cannot be read.
    """
    for origin, entries in rules().items():
        meant = [entry for entry in entries if _means(entry, origin, kind, distribution, name)]
        if origin in (DENY, DENY_WORD) and meant:
            return _shown(origin, meant[:1])
        if origin in (ALLOW, ALLOW_WORD) and not meant and distribution != CORE:
            return f"{_shown(origin, entries)}, which leaves it out"
    return None


def canonical_name(distribution: str) -> str:
    """Return the form in which names of distributions are compared: `Acme_OCR` is `acme-ocr`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _means(entry: str, origin: str, kind: Kind, distribution: str, name: str) -> bool:
    parts, kinds = ENTRY.fullmatch(entry), [known.value for known in type(kind)]
    if parts is None or not any(fnmatchcase(known, parts[1] or "*") for known in kinds):
        raise ConfigError(
            f"{origin}: '{entry}' names no plugin\n"
            "  write name, kind/name, distribution:name or distribution:*, "
            f"where kind is {', '.join(kinds)}"
        )
    return (
        fnmatchcase(kind.value, parts[1] or "*")
        and fnmatchcase(canonical_name(distribution), canonical_name(parts[2] or "*"))
        and fnmatchcase(name, parts[3])
    )


def _shown(origin: str, entries: Sequence[str]) -> str:
    text = ",".join(entries)
    return f"{origin}=[{text}]" if origin in (ALLOW_WORD, DENY_WORD) else f"{origin}={text}"


def _listed(text: str) -> list[str]:
    return [entry for part in text.split(",") if (entry := part.strip(" '\""))]

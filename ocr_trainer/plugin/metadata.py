"""What is installed, by metadata alone: nothing of a plugin is imported.

The scan is our own loop over `importlib.metadata.distributions` because one malformed line in any
installed distribution makes the standard library's (and stevedore's) refuse every look-up, and
because it can say which distribution a name comes from.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions

from ocr_trainer.plugin import Kind, allowlist

GROUPS = {kind.group: kind for kind in Kind}
HEADER = re.compile(r"^(Name|Version|Summary):[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Installed:
    """A plugin as its metadata names it; nothing of it is imported."""

    kind: Kind
    name: str
    distribution: str
    version: str
    summary: str
    target: str
    """`package.module:attribute`, as the entry point says."""

    @property
    def module(self) -> str:
        """The module that describes it."""
        return self.target.partition(":")[0].strip()

    @property
    def denial(self) -> str | None:
        """The rule that denies it, if one does."""
        return allowlist.denial(self.kind, self.distribution, self.name)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.target})"


def _entry_points(text: str) -> Iterator[tuple[Kind, str, str]]:
    """Yield kind, name and target of each of our entry points; lines that are none are passed over."""
    kind = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            kind = GROUPS.get(line.strip("[] "))
        elif kind and "=" in line and not line.startswith(("#", ";")):
            name, target = map(str.strip, line.split("=", 1))
            if name:
                yield kind, name, target


def _read(distribution: Distribution) -> list[Installed]:
    try:
        text = distribution.read_text("entry_points.txt")
    except UnicodeDecodeError:
        # Not ours: a plugin's names are those of Python.
        return []
    if not text or "ocr_trainer." not in text:
        return []
    try:
        metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:
        metadata = ""
    header = dict(HEADER.findall(metadata.split("\n\n", 1)[0]))
    name, version = header.get("Name", "?"), header.get("Version", "?")
    return [
        Installed(*found[:2], name, version, header.get("Summary", ""), found[2])
        for found in _entry_points(text)
    ]


@lru_cache(maxsize=1)
def installed() -> tuple[Installed, ...]:
    """Return every installed plugin, by kind and name. Reads the disk once per process."""
    found: dict[tuple[str, str, str], Installed] = {}
    for distribution in distributions():
        for plugin in _read(distribution):
            # A distribution can be met twice on sys.path; Python imports from the first place.
            owner = plugin.target if plugin.distribution == "?" else plugin.distribution
            found.setdefault((plugin.kind.value, plugin.name, owner), plugin)
    return tuple(found[key] for key in sorted(found))


def find_defect(plugin: Installed) -> str | None:
    """Return what can be seen to be wrong with a plugin without importing anything of it."""
    if not EntryPoint.pattern.match(plugin.target):
        return f"its entry point names {plugin.target!r}, which is not package.module:attribute"
    top = plugin.module.partition(".")[0]
    try:
        missing = importlib.util.find_spec(top) is None
    except ValueError:  # a module that says nothing of where it comes from
        missing = False
    return f"there is no module '{top}'" if missing else None

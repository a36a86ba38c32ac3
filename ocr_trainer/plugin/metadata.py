"""Find installed plugins without importing them.

The scan loops over `importlib.metadata.distributions` itself: one malformed line in any installed
distribution makes every lookup of the standard library (and of stevedore) fail, and this loop knows which
distribution a name comes from.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import NamedTuple

from ocr_trainer.plugin import allowlist
from ocr_trainer.plugin.kind import Kind

GROUPS = {kind.entry_points: kind for kind in Kind}
BUILT_IN_COMMANDS = (
    *("resume", "list-plugins", "describe", "check", "check-data", "overfit", "test", "predict", "score"),
    *("new-plugin", "export"),
)
"""Names of the commands of ocr-train itself. No plugin can replace them."""
PARTS = (Kind.backbone, Kind.configs)
"""Kinds that belong to the models of their distribution: a rule that allows the model allows them."""
HEADER = re.compile(r"^(Name|Version|Summary):[ \t]*(.*)$", re.MULTILINE)
DESCRIPTION = re.compile(
    r"^(?P<name>\w+)\s*(?::[^=\n]*)?=\s*[\w.]+\([^()]*?"
    r"\bsummary\s*=\s*(?P<quote>[\"'])(?P<text>(?:\\.|(?!(?P=quote))[^\\\n])*)(?P=quote)",
    re.MULTILINE,
)
"""A description in a `plugin.py` up to its summary: parsing the modules would take twice the time."""


class Installed(NamedTuple):
    """An installed plugin, described by the metadata of its distribution."""

    kind: Kind
    name: str
    distribution: str
    version: str
    summary: str
    """The summary of the distribution; `read_summary` returns that of the plugin."""
    target: str
    """`package.module:attribute`, from the entry point."""

    @property
    def module(self) -> str:
        """The module that describes the plugin."""
        return self.target.partition(":")[0].strip()

    @property
    def denial(self) -> str | None:
        """The rule that denies the plugin, or `None`."""
        owners = []
        if self.kind in PARTS and allowlist.rules():
            mates = (other for other in installed() if other.distribution == self.distribution)
            owners = [(other.kind, other.name) for other in mates if other.kind is Kind.model]
        return allowlist.denial(self.kind, self.distribution, self.name, owners)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.target})"


def _entry_points(text: str) -> Iterator[tuple[Kind, str, str]]:
    """Yield kind, name and target of each plugin entry point; skip malformed lines."""
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
        # Entry points of plugins are Python identifiers, so this is not a plugin.
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
        Installed(kind, own, name, version, header.get("Summary", ""), target)
        for kind, own, target in _entry_points(text)
    ]


@lru_cache(maxsize=1)
def installed() -> tuple[Installed, ...]:
    """Return every installed plugin, sorted by kind and name. Read the disk once per process."""
    _package.cache_clear()
    found: dict[tuple[str, str, str], Installed] = {}
    for distribution in distributions():
        for plugin in _read(distribution):
            # A distribution can be on sys.path twice; Python imports the first one.
            owner = plugin.target if plugin.distribution == "?" else plugin.distribution
            found.setdefault((plugin.kind.value, plugin.name, owner), plugin)
    return tuple(found[key] for key in sorted(found))


def find_defect(plugin: Installed) -> str | None:
    """Return a defect of a plugin that is visible without importing it, or `None`."""
    if is_shadowed(plugin):
        return f"ocr-train has a built-in command '{plugin.name}'"
    if not EntryPoint.pattern.match(plugin.target):
        return f"its entry point names {plugin.target!r}, which is not package.module:attribute"
    top = plugin.module.partition(".")[0]
    try:
        missing = _package(top) is None
    except ValueError:  # a loaded module without __spec__
        missing = False
    if plugin.kind is Kind.configs and not missing and config_folder(plugin) is None:
        return f"there is no folder of the package '{plugin.module}'"
    return f"there is no module '{top}'" if missing else None


@cache
def _package(top: str) -> ModuleSpec | None:
    """Find a top-level package without importing it. Many plugins share one."""
    return importlib.util.find_spec(top)


@cache
def config_folder(plugin: Installed) -> Path | None:
    """Return the folder of YAML files that an entry point of the kind `configs` names, or `None`."""
    core = plugin.distribution == allowlist.CORE  # its own folder lies elsewhere in a checkout
    top, *rest = [plugin.module] if core else plugin.module.split(".")
    try:
        spec = _package(top)
    except (ImportError, ValueError):
        return None
    places = (spec and spec.submodule_search_locations) or ()
    return next((folder for place in places if (folder := Path(place, *rest)).is_dir()), None)


def config_files(plugin: Installed) -> dict[str, list[Path]]:
    """Return the files that an entry point of the kind `configs` ships, by config group."""
    folder, found = config_folder(plugin), dict[str, list[Path]]()
    for path in sorted(folder.glob("*/**/*.yaml")) if folder is not None else ():
        found.setdefault(path.parent.relative_to(folder or "").as_posix(), []).append(path)
    return found


def is_shadowed(plugin: Installed) -> bool:
    """Return whether a plugin is a command with the name of a built-in command, which takes precedence."""
    ours = plugin.distribution == allowlist.CORE
    return plugin.kind is Kind.command and plugin.name in BUILT_IN_COMMANDS and not ours


def read_summary(plugin: Installed) -> str:
    """Return a plugin's own summary, read from the source of its description without importing it.

    The summary must be a string literal in the call whose result the attribute of the entry point names.
    Otherwise, fall back to the summary of the distribution if it has no other plugin, or else to "".
    """
    if plugin.kind is Kind.configs:
        files = config_files(plugin)
        return "; ".join(f"{group}: {', '.join(p.stem for p in paths)}" for group, paths in files.items())
    attribute = plugin.target.partition(":")[2].strip()
    if (summary := _summaries(plugin.module).get(attribute)) is not None:
        return summary
    alone = sum(other.distribution == plugin.distribution for other in installed()) == 1
    return plugin.summary if alone else ""


@cache
def _summaries(module: str) -> dict[str, str]:
    """Return the summaries of the descriptions in a module, by the name they are assigned to."""
    try:
        source = _source_file(module).read_text(encoding="utf-8")
    except (OSError, ValueError, LookupError, ImportError):
        return {}
    return {found["name"]: found["text"].replace("\\", "") for found in DESCRIPTION.finditer(source)}


def _source_file(module: str) -> Path:
    """Return the source file of a module; raise LookupError if its package cannot be found."""
    # `find_spec` of a submodule would import its parent, so only the top level is looked up.
    top, *rest = module.split(".")
    spec = _package(top)
    if spec is None or (rest and not spec.submodule_search_locations):
        raise LookupError(module)
    if not rest:
        return Path(spec.origin or "")
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    raise LookupError(module)

"""From a name to a plugin, in three steps: metadata, description, factory.

Only the step asked for is paid. Listing reads metadata and imports no plugin; `load` imports one
`plugin.py`; `resolve` imports the heavy module behind it.

The scan is our own loop over `importlib.metadata.distributions` because one malformed line in any
installed distribution makes the standard library's (and stevedore's) refuse every look-up, and
because it can say which distribution a name comes from. stevedore does the loading.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

from ocr_trainer.errors import PluginBroken, PluginConflict, PluginError, PluginNotFound, did_you_mean
from ocr_trainer.plugin import (
    API,
    PLUGIN_TYPES,
    Config,
    DatasetPlugin,
    Kind,
    LoggerConfig,
    Plugin,
    Sign,
    Task,
)

GROUPS = {kind.group: kind for kind in Kind}
FILES_LOOKED_AT = 5
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
    metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
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
            found.setdefault((plugin.kind.value, plugin.name, plugin.distribution), plugin)
    return tuple(found[key] for key in sorted(found))


def names(kind: Kind) -> list[str]:
    """Return the names of the installed plugins of a kind, sorted."""
    return sorted({plugin.name for plugin in installed() if plugin.kind is kind})


def find(kind: Kind, name: str) -> Installed:
    """Return the one plugin of that kind and name.

    Raises:
        PluginNotFound: There is none.
        PluginConflict: There are several.
    """
    found = [plugin for plugin in installed() if plugin.kind is kind and plugin.name == name]
    if not found:
        known = names(kind)
        raise PluginNotFound(
            f"no {kind.value} plugin named '{name}' is installed.{did_you_mean(name, known)}\n"
            f"  installed: {', '.join(known) or 'none'}"
        )
    if len(found) > 1:
        providers = "".join(f"  {plugin}\n" for plugin in found)
        number = "two" if len(found) == 2 else len(found)
        raise PluginConflict(
            f"{number} distributions provide the {kind.value} plugin '{name}':\n"
            f"{providers}  uninstall one of them"
        )
    return found[0]


def broken(plugin: Installed, reason: str) -> PluginBroken:
    """Return the error that names the plugin at fault and its distribution."""
    return PluginBroken(
        f"the {plugin.kind.value} plugin '{plugin.name}' cannot be used: {reason}\n"
        f"  provided by {plugin}\n"
        f"  update or uninstall {plugin.distribution}"
    )


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _import(plugin: Installed) -> Any:
    """Import what the entry point names, with stevedore."""
    if not EntryPoint.pattern.match(plugin.target):
        raise broken(
            plugin, f"its entry point names {plugin.target!r}, which is not package.module:attribute"
        )

    from stevedore import ExtensionManager

    class Chosen(ExtensionManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            return [EntryPoint(plugin.name, plugin.target, plugin.kind.group)]

    def fail(_manager: object, _entry_point: object, error: BaseException) -> None:
        raise error

    try:
        return Chosen(plugin.kind.group, on_load_failure_callback=fail).extensions[0].plugin
    # A plugin's module may do anything on import, `sys.exit()` included.
    except (Exception, SystemExit) as error:
        raise broken(plugin, f"importing it failed with {_said(error)}") from error


def _faults(plugin: Installed, loaded: object) -> Iterator[str]:
    """Yield the ways in which a loaded object breaks the contract."""
    wanted = PLUGIN_TYPES[plugin.kind]
    if not isinstance(loaded, Plugin):
        yield f"{plugin.target} is of type {type(loaded).__name__}, not {wanted.__name__}"
        return
    if not isinstance(loaded, wanted):
        yield f"it is registered in {plugin.kind.group}, but is a {type(loaded).__name__}"
    if loaded.api != API:
        yield f"it is written for version {loaded.api} of the plugin contract, this is version {API}"
    yield from _config_faults(loaded.config, LoggerConfig if plugin.kind is Kind.logger else Config)


def _config_faults(config: object, base: type[Config]) -> Iterator[str]:
    # `is_dataclass` is also true of a class without the decorator whose base has it.
    if not (isinstance(config, type) and issubclass(config, base) and "__dataclass_fields__" in vars(config)):
        yield f"its config is not a dataclass derived from ocr_trainer.plugin.{base.__name__}"
        return
    known = {field.name for field in fields(config)}
    untyped = sorted(
        name
        for name, value in vars(config).items()
        if not name.startswith("_")
        and name not in known
        and not callable(getattr(config, name))
        and not isinstance(value, (property, classmethod, staticmethod))
    )
    if untyped:
        yield f"its options {', '.join(untyped)} have no type"
    try:
        get_type_hints(config)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        yield f"its options have a type that cannot be looked up: {_said(error)}"


@cache
def load(kind: Kind, name: str) -> Plugin:
    """Import and check the description of a plugin.

    Raises:
        PluginError: It is not there, there are several, or it cannot be used.
    """
    plugin = find(kind, name)
    loaded = _import(plugin)
    for reason in _faults(plugin, loaded):
        raise broken(plugin, reason)
    description: Plugin = loaded
    return description


def readers(folder: Path) -> list[str]:
    """Return the dataset plugins that know a folder by its signs; one that is broken knows none."""
    found = _described_datasets()
    return [name for name, dataset in found.items() if any(_shows(folder, sign) for sign in dataset.signs)]


def datasets_for(task: Task) -> list[str]:
    """Return the dataset plugins that offer a task; one that is broken offers none."""
    return [name for name, dataset in _described_datasets().items() if task in dataset.tasks]


def _described_datasets() -> dict[str, DatasetPlugin]:
    described = {}
    for name in names(Kind.dataset):
        with suppress(PluginError):
            description = load(Kind.dataset, name)
            assert isinstance(description, DatasetPlugin)
            described[name] = description
    return described


def _shows(folder: Path, sign: Sign) -> bool:
    """Look for a sign in the first few files that it may stand in; a malformed one stands nowhere."""
    try:
        return any(
            re.search(sign.content, beginning)
            for path in islice(folder.glob(sign.files), FILES_LOOKED_AT)
            if (beginning := _beginning(path)) is not None
        )
    except (re.error, ValueError, NotImplementedError):
        return False


def _beginning(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("utf-8-sig", "replace")
    except OSError:
        return None


def resolve(kind: Kind, name: str) -> Callable[..., Any]:
    """Import the heavy module of a plugin and return its factory.

    Raises:
        PluginError: As `load`; or the factory cannot be imported.
    """
    module, _, attribute = load(kind, name).factory.partition(":")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        reason = f"its factory {module}:{attribute} cannot be imported: {_said(error)}"
        raise broken(find(kind, name), reason) from error
    return factory

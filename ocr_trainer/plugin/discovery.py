"""From a name to a plugin, in three steps: metadata, description, factory.

Only the step asked for is paid. Listing reads metadata (`scan`) and imports no plugin; `load` imports
one `plugin.py`, with stevedore; `resolve` imports the heavy module behind it.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import fields
from functools import cache
from importlib.metadata import EntryPoint
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

from ocr_trainer.errors import (
    PluginBroken,
    PluginConflict,
    PluginDenied,
    PluginError,
    PluginNotFound,
    did_you_mean,
)
from ocr_trainer.plugin import (
    API,
    PLUGIN_TYPES,
    Config,
    DatasetPlugin,
    FormatSignature,
    Kind,
    LoggerConfig,
    Plugin,
    Task,
    allowlist,
)
from ocr_trainer.plugin.metadata import Installed, find_defect, installed

FILES_LOOKED_AT = 5


def names(kind: Kind) -> list[str]:
    """Return the names of the installed plugins of a kind that are not denied, sorted."""
    return sorted({plugin.name for plugin in installed() if plugin.kind is kind and plugin.denial is None})


def matching(kind: Kind, name: str) -> list[Installed]:
    """Return the plugins that a name can mean, those denied included; `distribution:name` says whose."""
    distribution, _, own = name.rpartition(":")
    return [
        plugin
        for plugin in installed()
        if plugin.kind is kind
        and plugin.name == own
        and (
            not distribution
            or allowlist.canonical_name(distribution) == allowlist.canonical_name(plugin.distribution)
        )
    ]


def find(kind: Kind, name: str) -> Installed:
    """Return the one plugin of that kind and name; where several have it, `distribution:name` is one.

    Raises:
        PluginNotFound: There is none.
        PluginDenied: There is, but a rule denies it.
        PluginConflict: There are several.
    """
    known = matching(kind, name)
    found = [plugin for plugin in known if plugin.denial is None]
    if len(found) == 1:
        return found[0]
    if found:
        raise _conflict(found)
    if known:
        raise PluginDenied(
            f"the {kind.value} plugin '{name}' is denied by {known[0].denial}\n  provided by {known[0]}"
        )
    others = names(kind)
    meant = [f"{p.distribution}:{p.name}" for p in installed() if p.kind is kind] if ":" in name else others
    raise PluginNotFound(
        f"no {kind.value} plugin named '{name}' is installed.{did_you_mean(name, meant)}\n"
        f"  installed: {', '.join(others) or 'none'}"
    )


def _conflict(found: list[Installed]) -> PluginConflict:
    first, number = found[0], "two" if len(found) == 2 else len(found)
    providers = "".join(f"  {plugin}\n" for plugin in found)
    chosen = f"{first.distribution}:{first.name}"
    word = f"logger=[{chosen}]" if first.kind is Kind.logger else f"{first.kind.value}={chosen}"
    return PluginConflict(
        f"{number} distributions provide the {first.kind.value} plugin '{first.name}':\n{providers}"
        f"  choose one, as in {word}, or uninstall the other{'' if len(found) == 2 else 's'}"
    )


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
        raise broken(plugin, str(find_defect(plugin)))

    from stevedore import ExtensionManager

    class Subset(ExtensionManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            return [EntryPoint(plugin.name, plugin.target, plugin.kind.group)]

    def fail(_manager: object, _entry_point: object, error: BaseException) -> None:
        raise error

    try:
        # What a plugin prints would stand in our output, which programs read.
        with redirect_stdout(sys.stderr):
            return Subset(plugin.kind.group, on_load_failure_callback=fail).extensions[0].plugin
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


def load(kind: Kind, name: str) -> Plugin:
    """Import and check the description of a plugin.

    Raises:
        PluginError: It is not there, it is denied, there are several, or it cannot be used.
    """
    return described(find(kind, name))


@cache
def described(plugin: Installed) -> Plugin:
    """Import and check the description of a plugin that was found.

    Raises:
        PluginBroken: It cannot be used.
    """
    loaded = _import(plugin)
    for reason in _faults(plugin, loaded):
        raise broken(plugin, reason)
    description: Plugin = loaded
    return description


def matching_datasets(folder: Path) -> list[str]:
    """Return the dataset plugins that know a folder by its signs; one that is broken knows none."""
    found = _described_datasets()
    return [
        name for name, dataset in found.items() if any(_shows(folder, sign) for sign in dataset.signatures)
    ]


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


def _shows(folder: Path, sign: FormatSignature) -> bool:
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
        PluginError: As `load`; or the factory cannot be imported, or lacks methods.
    """
    plugin = find(kind, name)
    path = described(plugin).factory
    module, _, attribute = path.partition(":")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise broken(plugin, f"its factory {path} cannot be imported: {_said(error)}") from error
    if missing := sorted(getattr(factory, "__abstractmethods__", ())):
        asked = f"which version {API} of the plugin contract asks for"
        raise broken(plugin, f"its factory {path} lacks {', '.join(missing)}, {asked}")
    return factory

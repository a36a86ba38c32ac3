"""Look up a plugin by name, in three stages: metadata, description, factory.

Each stage costs more than the last and runs only when needed. Listing plugins reads metadata (`metadata`)
and imports none of them; `load` imports one `plugin.py` with stevedore; `resolve` imports the heavy module
that the description names.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from functools import cache
from importlib.metadata import EntryPoint
from itertools import islice
from pathlib import Path
from typing import Any

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
    DatasetPlugin,
    FormatSignature,
    Kind,
    ModelPlugin,
    Plugin,
    Task,
    allowlist,
)
from ocr_trainer.plugin.contract import contract_errors, describe_exception
from ocr_trainer.plugin.metadata import Installed, find_defect, installed

MAX_SIGNATURE_FILES = 5
"""How many files that match a signature's glob are opened."""


def names(kind: Kind) -> list[str]:
    """Return the sorted names of the installed plugins of a kind that no rule denies."""
    return sorted({plugin.name for plugin in installed() if plugin.kind is kind and plugin.denial is None})


def matching(kind: Kind, name: str) -> list[Installed]:
    """Return the installed plugins that a name matches, including denied ones.

    Args:
        kind: The kind of plugin.
        name: `name`, or `distribution:name` for the plugin of one distribution; for one of a plugin's
            variants, `name/variant`.
    """
    distribution, _, short_name = name.partition("/")[0].rpartition(":")
    return [
        plugin
        for plugin in installed()
        if plugin.kind is kind
        and plugin.name == short_name
        and (
            not distribution
            or allowlist.canonical_name(distribution) == allowlist.canonical_name(plugin.distribution)
        )
    ]


def find(kind: Kind, name: str) -> Installed:
    """Return the one plugin of that kind and name.

    Args:
        kind: The kind of plugin.
        name: `name`, or `distribution:name` where several distributions provide the name.

    Raises:
        PluginNotFound: No installed plugin has that name.
        PluginDenied: A rule denies the plugin.
        PluginConflict: Several distributions provide the name.
    """
    matches = matching(kind, name)
    allowed = [plugin for plugin in matches if plugin.denial is None]
    if len(allowed) == 1:
        return allowed[0]
    if allowed:
        raise _conflict(allowed)
    if matches:
        raise PluginDenied(
            f"the {kind.value} plugin '{name}' is denied by {matches[0].denial}\n  provided by {matches[0]}"
        )
    available = names(kind)
    full_names = [f"{p.distribution}:{p.name}" for p in installed() if p.kind is kind]
    hint = did_you_mean(name, full_names if ":" in name else available)
    raise PluginNotFound(
        f"no {kind.value} plugin named '{name}' is installed.{hint}\n"
        f"  installed: {', '.join(available) or 'none'}"
    )


def _conflict(plugins: list[Installed]) -> PluginConflict:
    first, number = plugins[0], "two" if len(plugins) == 2 else len(plugins)
    providers = "".join(f"  {plugin}\n" for plugin in plugins)
    full_name = f"{first.distribution}:{first.name}"
    override = PLUGIN_TYPES[first.kind].choice(full_name)
    return PluginConflict(
        f"{number} distributions provide the {first.kind.value} plugin '{first.name}':\n{providers}"
        f"  choose one, as in {override}, or uninstall the other{'' if len(plugins) == 2 else 's'}"
    )


def broken(plugin: Installed, reason: str) -> PluginBroken:
    """Return the error for a broken plugin; its message names the plugin and its distribution.

    Args:
        plugin: The metadata of the plugin.
        reason: What is wrong with it.
    """
    return PluginBroken(
        f"the {plugin.kind.value} plugin '{plugin.name}' cannot be used: {reason}\n"
        f"  provided by {plugin}\n"
        f"  update or uninstall {plugin.distribution}"
    )


def _import(plugin: Installed) -> Any:
    """Import the object that the entry point names, with stevedore."""
    if not EntryPoint.pattern.match(plugin.target):
        raise broken(plugin, str(find_defect(plugin)))

    from stevedore import ExtensionManager

    class SinglePluginManager(ExtensionManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            return [EntryPoint(plugin.name, plugin.target, plugin.kind.entry_points)]

    def reraise(_manager: object, _entry_point: object, error: BaseException) -> None:
        raise error

    try:
        # Programs parse our standard output, so anything that a plugin prints goes to standard error.
        with redirect_stdout(sys.stderr):
            manager = SinglePluginManager(plugin.kind.entry_points, on_load_failure_callback=reraise)
            return manager.extensions[0].plugin
    # A plugin's module may do anything on import, even call `sys.exit()`.
    except (Exception, SystemExit) as error:
        raise broken(plugin, f"importing it failed with {describe_exception(error)}") from error


def load(kind: Kind, name: str) -> Plugin:
    """Import and check the description of a plugin.

    Args:
        kind: The kind of plugin.
        name: `name` or `distribution:name`.

    Raises:
        PluginError: The plugin is missing, denied, ambiguous or broken.
    """
    found = find(kind, name)
    description = described(found)
    if "/" in name and not description.variants:
        raise PluginNotFound(
            f"no {kind.value} plugin named '{name}' is installed: '{found.name}' has no variants\n"
            f"  installed: {', '.join(names(kind))}"
        )
    return description


def load_model(name: str) -> ModelPlugin:
    """Import and check the description of a model; see `load`."""
    description = load(Kind.model, name)
    assert isinstance(description, ModelPlugin)
    return description


@cache
def described(plugin: Installed) -> Plugin:
    """Import and check the description of an installed plugin.

    Raises:
        PluginBroken: It cannot be imported or violates the contract.
    """
    loaded = _import(plugin)
    for reason in contract_errors(plugin, loaded):
        raise broken(plugin, reason)
    description: Plugin = loaded
    return description


def matching_datasets(folder: Path) -> list[str]:
    """Return the names of the dataset plugins with a signature that matches a folder; skip broken plugins."""
    return [
        name
        for name, dataset in _load_datasets().items()
        if any(_matches(folder, signature) for signature in dataset.signatures)
    ]


def datasets_for(task: Task) -> list[str]:
    """Return the names of the dataset plugins that support a task; skip broken plugins."""
    return [name for name, dataset in _load_datasets().items() if task in dataset.tasks]


def _load_datasets() -> dict[str, DatasetPlugin]:
    datasets = {}
    for name in names(Kind.dataset):
        with suppress(PluginError):
            description = load(Kind.dataset, name)
            assert isinstance(description, DatasetPlugin)
            datasets[name] = description
    return datasets


def _matches(folder: Path, signature: FormatSignature) -> bool:
    """Return whether one of the first few candidate files matches; a malformed signature never does."""
    try:
        return any(
            re.search(signature.content, beginning)
            for path in islice(folder.glob(signature.files), MAX_SIGNATURE_FILES)
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


def import_attribute(plugin: Installed, path: str, role: str) -> Any:
    """Import an object that a plugin's description names.

    Args:
        plugin: The metadata of the plugin.
        path: `package.module:attribute`.
        role: The role of the object, for messages, such as `factory`.

    Raises:
        PluginBroken: It cannot be imported.
    """
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise broken(plugin, f"its {role} {path} cannot be imported: {describe_exception(error)}") from error


def resolve(kind: Kind, name: str) -> Callable[..., Any]:
    """Import the heavy module of a plugin and return its factory.

    Raises:
        PluginError: As for `load`; or the factory cannot be imported or lacks methods.
    """
    plugin = find(kind, name)
    path = described(plugin).factory
    factory: Callable[..., Any] = import_attribute(plugin, path, "factory")
    if missing := sorted(getattr(factory, "__abstractmethods__", ())):
        required = f"required by version {API} of the plugin contract"
        raise broken(plugin, f"its factory {path} lacks {', '.join(missing)}, {required}")
    return factory

"""What is installed."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer.plugin import metadata
from ocr_trainer.plugin.kind import Kind


class InstalledPlugin(NamedTuple):
    """An installed plugin, as its metadata describes it."""

    kind: str
    """Its kind, such as `model`."""
    name: str
    """The name that selects it."""
    distribution: str
    version: str
    summary: str
    """What it is, in one line."""
    conflict: bool
    """Whether several distributions provide the name; if so, select it with `distribution:name`."""
    denied: str | None
    """The rule that denies it, or None."""
    broken: str | None
    """Why it cannot be used, or None."""


def plugins(kind: str | None = None) -> list[InstalledPlugin]:
    """Return the installed plugins, sorted by kind and name. None of them is imported.

    ```python
    [plugin.name for plugin in ocr.plugins("model")]
    ```

    Args:
        kind: List only this kind, such as `"model"`, `"dataset"` or `"logger"`.

    Raises:
        ConfigError: There is no such kind.
    """
    wanted = Kind if kind is None else (_kind(kind),)
    found = [plugin for plugin in metadata.installed() if plugin.kind in wanted]
    providers = Counter((plugin.kind, plugin.name) for plugin in found if _counts(plugin))
    return [
        InstalledPlugin(
            plugin.kind.value,
            plugin.name,
            plugin.distribution,
            plugin.version,
            metadata.read_summary(plugin),
            conflict=_counts(plugin) and providers[plugin.kind, plugin.name] > 1,
            denied=plugin.denial,
            broken=metadata.find_defect(plugin),
        )
        for plugin in found
    ]


def _counts(plugin: metadata.Installed) -> bool:
    """Return whether a plugin can conflict with others of the same name."""
    return plugin.denial is None and not metadata.is_shadowed(plugin)


def describe(kind: str, name: str) -> str:
    """Return the summary of a plugin and its options with their types, defaults, bounds and descriptions.

    ```python
    print(ocr.describe("model", "dbnet"))
    ```

    Args:
        kind: The kind of plugin, such as `"model"`.
        name: Its name, or `"distribution:name"` where several distributions provide the name.

    Raises:
        ConfigError: There is no such kind.
        PluginError: The plugin is missing, denied, ambiguous or broken.
    """
    from ocr_trainer.api.guest import guest
    from ocr_trainer.config.describe import describe

    with guest():
        return describe(_kind(kind), name)


def _kind(name: str) -> Kind:
    kinds = [known.value for known in Kind]
    if name not in kinds:
        guess = did_you_mean(str(name), kinds)
        raise ConfigError(f"there is no plugin kind '{name}'.{guess}\n  kinds: {', '.join(kinds)}")
    return Kind(name)

"""What is installed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer.plugin import Kind, metadata


@dataclass(frozen=True)
class InstalledPlugin:
    """An installed plugin, as its metadata describes it."""

    kind: str
    """Its kind, such as `model`."""
    name: str
    """The name that it is chosen by."""
    distribution: str
    version: str
    summary: str
    """What it is, in one line."""
    conflict: bool
    """Whether several distributions provide the name; then write `distribution:name`."""
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
    kinds = [known.value for known in Kind]
    if kind is not None and kind not in kinds:
        guess = did_you_mean(str(kind), kinds)
        raise ConfigError(f"there is no kind of plugins '{kind}'.{guess}\n  kinds: {', '.join(kinds)}")
    found = [plugin for plugin in metadata.installed() if kind in (None, plugin.kind.value)]
    providers = Counter((plugin.kind, plugin.name) for plugin in found if plugin.denial is None)
    return [
        InstalledPlugin(
            plugin.kind.value,
            plugin.name,
            plugin.distribution,
            plugin.version,
            metadata.read_summary(plugin),
            conflict=plugin.denial is None and providers[plugin.kind, plugin.name] > 1,
            denied=plugin.denial,
            broken=metadata.find_defect(plugin),
        )
        for plugin in found
    ]

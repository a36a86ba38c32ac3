"""Experiments and presets that distributions ship: a folder of YAML files in the package of each.

An entry point of the group `ocr_trainer.configs` names that package; the core's own is `ocr_trainer.configs`.
Files are found from metadata, without importing the package, and read when a run selects them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config.content import check_config_file
from ocr_trainer.config.plain_data import check_plain, parse_yaml
from ocr_trainer.config.schema import expand_shorthands
from ocr_trainer.errors import ConfigError, PluginConflict, PluginDenied
from ocr_trainer.internals.hydra import FileConfigSource
from ocr_trainer.plugin import Kind, discovery
from ocr_trainer.plugin.allowlist import CORE, canonical_name
from ocr_trainer.plugin.metadata import Installed, config_folder, installed

UNREADABLE = (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException, ConfigError)
"""What reading a broken file raises."""
GLOBAL = "_global_"
"""The package of a file whose options are those of the run, such as an experiment."""
GROUP = re.compile(r"(?!hydra\b)\w+(/\w+)*")
"""Config groups that a distribution may ship files of: none of Hydra's own."""


class ShippedFile(NamedTuple):
    """A YAML file, and the distribution that ships it."""

    plugin: Installed
    path: Path


def matching(group: str, name: str) -> list[ShippedFile]:
    """Return the files of a name, including denied ones.

    Args:
        group: A config group, such as `experiment` or `augment/detection`.
        name: `name`, or `distribution:name` for the file of one distribution.
    """
    distribution, _, short_name = name.rpartition(":")
    if not GROUP.fullmatch(group):
        return []
    return [
        ShippedFile(plugin, path)
        for plugin, folder in _folders()
        if (path := folder / group / f"{short_name}.yaml").is_file()
        and (not distribution or canonical_name(distribution) == canonical_name(plugin.distribution))
    ]


def find(group: str, name: str) -> ShippedFile:
    """Return the one file of a name, of which there is at least one. The names of the core stay the core's.

    Raises:
        PluginConflict: Several distributions ship a file of that name.
        PluginDenied: A rule denies the distribution that ships it.
    """
    files = matching(group, name)
    allowed = [file for file in files if file.plugin.denial is None]
    own = [file for file in allowed if file.plugin.distribution == CORE]
    if own or len(allowed) == 1:
        return (own or allowed)[0]
    option = group.partition("/")[0]
    if not allowed:
        raise PluginDenied(
            f"{option}={name} is denied by {files[0].plugin.denial}\n  provided by {files[0].plugin}"
        )
    providers = "".join(f"  {plugin}\n" for plugin, _ in allowed)
    full_name = f"{allowed[0].plugin.distribution}:{allowed[0].path.stem}"
    raise PluginConflict(
        f"{len(allowed)} distributions ship {option}={name}:\n{providers}"
        f"  choose one, as in {option}={full_name}"
    )


def names(group: str) -> list[str]:
    """Return the sorted names of the files of a config group that no rule denies.

    Names that several distributions ship come with those of the distributions, too.
    """
    files = [
        (path.stem, f"{plugin.distribution}:{path.stem}")
        for plugin, folder in _folders()
        if plugin.denial is None
        for path in (folder / group).glob("*.yaml")
    ]
    ships = Counter(name for name, _ in files)
    return sorted({*ships, *(full_name for name, full_name in files if ships[name] > 1)})


def read(group: str, name: str) -> tuple[DictConfig, dict[str, str | None]]:
    """Return the content and the header of a file.

    Raises:
        PluginError: There are several such files, it is denied, or it cannot be used.
    """
    plugin, path = find(group, name)
    try:
        text = path.read_text(encoding="utf-8")
        header = FileConfigSource.header(text[:512])
        loaded = parse_yaml(text, "the file")
        check_plain(loaded, "the file")
        if errors := list(check_config_file(loaded, header["package"])):
            raise ConfigError(errors[0])
        content = OmegaConf.create(text)
        if not isinstance(content, DictConfig):
            raise ConfigError("it is not a table of options")
    except UNREADABLE as error:
        reason = f"{group}/{path.name}: {' '.join(str(error).split())}"
        raise discovery.broken(plugin, reason) from error
    _prefer_own_files(content, plugin, path.parent)
    if header["package"] == GLOBAL:
        expand_shorthands(content)
    return content, header


def _prefer_own_files(content: DictConfig, plugin: Installed, folder: Path) -> None:
    """Let a defaults list refer to files of its distribution, even if others ship files of the same name."""
    for index, entry in enumerate(content.get("defaults", ())):
        if isinstance(entry, str) and (folder / f"{entry}.yaml").is_file():
            content.defaults[index] = f"{plugin.distribution}:{entry}"


def _folders() -> Iterator[tuple[Installed, Path]]:
    for plugin in installed():
        if plugin.kind is Kind.configs and (folder := config_folder(plugin)) is not None:
            yield plugin, folder


class ShippedSource(ConfigSource):
    """Provides the files that distributions ship. It comes first, as it sees which names are in conflict."""

    @staticmethod
    def scheme() -> str:
        """Return the URL scheme of this source."""
        return "shipped"

    def available(self) -> bool:
        """Return whether the source is available."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Return whether a distribution ships files of a config group."""
        return bool(GROUP.fullmatch(config_path)) and any(
            (folder / config_path).is_dir() for _, folder in _folders()
        )

    def is_config(self, config_path: str) -> bool:
        """Return whether a distribution ships a file."""
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        return bool(matching(group, name))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the names of a config group."""
        if not GROUP.fullmatch(config_path) or results_filter is ObjectType.GROUP:
            return []
        return names(config_path)

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file."""
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        content, header = read(group, name)
        return ConfigResult(provider="plugins", path=self.full_path(), config=content, header=header)

"""Hydra config sources for installed plugins and for `--config-dir`.

Hydra finds plugins through `PluginSource`, a config source like its own for files: `list` reads only
metadata, `load_config` imports one `plugin.py`. So plugins are config groups, and overrides,
experiments, sweeps and completion work on them, without a YAML file per plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config import shipped
from ocr_trainer.config.content import check_config_file
from ocr_trainer.config.plain_data import check_plain, parse_yaml, read_config_text
from ocr_trainer.config.schema import expand_shorthands, values
from ocr_trainer.config.security import check_untrusted_reads
from ocr_trainer.config.tasks import run_config_class, run_config_classes
from ocr_trainer.errors import ConfigError
from ocr_trainer.internals.hydra import FileConfigSource
from ocr_trainer.plugin import GROUPS, PLUGIN_TYPES, REQUIRED, Config, Kind, Stage, Task, discovery

NO_DATASET = "_none"
"""Choice of the group `dataset` that stands for no plugin: an empty `Config`."""
PRESETS = ("augment",)
"""Config groups with a folder of presets for each task; they may also choose plugins."""


def plugin_schema(kind: Kind, name: str) -> DictConfig:
    """Return the options of a plugin with their types and defaults.

    Raises:
        PluginError: The plugin is missing or cannot be used.
    """
    description = discovery.load(kind, name)
    try:
        schema: DictConfig = OmegaConf.structured(description.config)
        schema.name = name
        for field in fields(description.config):
            if "plugin" in field.metadata:
                # Its options depend on its name, so the section accepts any key for now.
                chosen = REQUIRED if OmegaConf.is_missing(schema, field.name) else schema[field.name].name
                schema[field.name] = OmegaConf.create({"name": chosen}, flags={"struct": False})
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        key = getattr(error, "full_key", None)
        reason = f"its option{f' {key} is' if key else 's are'} malformed: {str(error).splitlines()[0]}"
        raise discovery.broken(discovery.find(kind, name), reason) from error
    return schema


class PluginSource(ConfigSource):
    """Provides `schema`, `<kind>/<name>` for every installed plugin, and the presets of each task.

    Which schema and which presets belong to a run depends on its model, which Hydra knows only after it
    has read all defaults lists. Until then both are empty; `select` fills them in for the composition.
    """

    saved: DictConfig | None = None
    """What `experiment/_saved` holds: the configuration that a checkpoint was trained with."""
    task: Task | None = None
    """The task of the chosen model, while Hydra composes."""
    schema: DictConfig | None = None
    """The types and defaults of a run of that task, while Hydra composes."""
    chosen: Sequence[str] = ()
    """The configs that Hydra composes, in order, such as `augment/strong`."""
    overridden: frozenset[str] = frozenset()
    """The keys that the command line sets."""

    @classmethod
    def select(cls, task: Task | None, chosen: Sequence[str] = (), swept: bool = False) -> None:
        """Select the task whose schema and presets to provide; `None` before the model is known.

        Args:
            task: The task of the model.
            chosen: The configs of the composition, in order.
            swept: A sweep varies the model or the experiment, so its first composition, which Hydra uses
                only to configure itself, must accept the options of every task.

        Raises:
            ConfigError: Several presets of one group are chosen.
        """
        if task is None:
            presets.cache_clear()  # a composition begins
        cls.task, cls.chosen = task, chosen
        for group in PRESETS:
            if len(names := [name for name, preset in cls._choices(group) if preset]) > 1:
                raise ConfigError(
                    f"{group}=[{','.join(names)}] has {len(names)} presets: choose one of them; "
                    "a list takes one preset and any number of plugins"
                )
        if task is None:
            cls.schema = None
        else:
            cls.schema = _open_schema() if swept else _run_schema(task)

    @classmethod
    def _choices(cls, group: str) -> Sequence[tuple[str, bool]]:
        """Return the names that a group chooses, in order, and whether each is a preset (maybe a user's)."""
        prefix, ours = f"{group}/", presets(group)
        names = [config.removeprefix(prefix) for config in cls.chosen if config.startswith(prefix)]
        return [(name, name in ours or not discovery.matching(GROUPS[group], name)) for name in names]

    @staticmethod
    def scheme() -> str:
        """Return the URL scheme of this source."""
        return "plugins"

    def available(self) -> bool:
        """Return whether the source is available."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Return whether a path is a config group of this source."""
        return config_path in ("", *GROUPS, *PRESETS)

    def is_config(self, config_path: str) -> bool:
        """Return whether a path is a configuration of this source, without importing plugins."""
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        if (group, name) == ("dataset", NO_DATASET):
            return True
        if group in PRESETS and name in presets(group):
            return True
        if group in GROUPS:
            return bool(discovery.matching(GROUPS[group], name))
        return config_path == "schema" or (config_path == "experiment/_saved" and self.saved is not None)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the names in a config group, without importing plugins."""
        if config_path == "":
            return list(GROUPS) if results_filter is not ObjectType.CONFIG else []
        return [] if results_filter is ObjectType.GROUP else [*self.names(config_path)]

    @staticmethod
    def names(group: str) -> Sequence[str]:
        """Return the plugins and presets of a config group, sorted."""
        found = discovery.names(GROUPS[group]) if group in GROUPS else []
        return sorted({*found, *(presets(group) if group in PRESETS else ())})

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a configuration; for a plugin, import its `plugin.py`."""
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        header: dict[str, str | None] = {"package": None}
        if (group, name) == ("dataset", NO_DATASET):
            node = OmegaConf.structured(Config)
        elif group in PRESETS and name in presets(group):
            preset = self._preset(group, name)
            # A task without presets need not have a section for them.
            node = OmegaConf.create({} if preset is None else {group: preset})
            header["package"] = "_global_"
        elif group in GROUPS:
            kind = PLUGIN_TYPES[GROUPS[group]]
            node = plugin_schema(GROUPS[group], name)
            # In a list, the section of a plugin is named without its distribution.
            header["package"] = kind.section(name.rpartition(":")[2]) if kind.many else None
            if group in PRESETS:
                self._set_stage(node, group, name)
        elif group == "experiment":
            assert self.saved is not None
            node, header = self.saved, {"package": "_global_"}
        else:
            node = self.schema if self.schema is not None else OmegaConf.create({})
        return ConfigResult(provider="plugins", path=self.full_path(), config=node, header=header)

    def _set_stage(self, node: DictConfig, group: str, name: str) -> None:
        """Set the stage of a plugin by its place in a list with a preset."""
        choices = self._choices(group)
        if any(preset for _, preset in choices):
            place = [choice for choice, _ in choices].index(name)
            before_preset = any(preset for _, preset in choices[place:])
            node.stage = Stage.before if before_preset else Stage.after

    def _preset(self, group: str, name: str) -> DictConfig | None:
        """Read a preset of the run's task; return None for the default preset of a task that has none.

        Raises:
            ConfigError: Only other tasks have a preset of that name.
        """
        if self.task is None:
            return None
        tasks = presets(group)[name]
        if self.task not in tasks:
            own = sorted(preset for preset, tasks in presets(group).items() if self.task in tasks)
            if not own and group not in self.overridden:
                return None
            raise ConfigError(
                f"{group}={name} is for {' and '.join(task.value for task in tasks)}, "
                f"but the model does {self.task.value}\n  available: {', '.join(own) or 'none'}"
            )
        return shipped.read(f"{group}/{self.task.value}", name)[0]


def _run_schema(task: Task) -> DictConfig:
    """Return the options of a task's runs with their types and defaults.

    Raises:
        PluginError: The task's plugin is missing or cannot be used.
    """
    cls = run_config_class(task)
    try:
        schema: DictConfig = OmegaConf.structured(cls)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        reason = f"the options of its runs are malformed: {str(error).splitlines()[0]}"
        raise discovery.broken(discovery.find(Kind.task, task.value), reason) from error
    return schema


def _open_schema() -> DictConfig:
    """Return the fields of all tasks' configurations; sections accept any option.

    The runs of the sweep check their options against the types.
    """
    schema = OmegaConf.create({})
    for _, cls in run_config_classes():
        for field in fields(cls):
            section = field.default is MISSING or field.default == REQUIRED
            open_section = OmegaConf.create({}, flags={"struct": False})
            schema[field.name] = open_section if section else values(field.default)
    return schema


@cache
def presets(group: str) -> dict[str, list[Task]]:
    """Return the tasks that each preset of a group is for."""
    found: dict[str, list[Task]] = {}
    for task in discovery.names(Kind.task):
        for name in shipped.names(f"{group}/{task}"):
            found.setdefault(name, []).append(Task(task))
    return found


class ConfigDirSource(FileConfigSource):
    """Provides the untrusted files of `--config-dir`: as data only, and only from within that folder."""

    @staticmethod
    def scheme() -> str:
        """Return the URL scheme of this source."""
        return "given"

    def is_config(self, config_path: str) -> bool:
        """Return whether the file exists within the folder."""
        return super().is_config(config_path) and self._file(config_path).is_relative_to(self._folder)

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file.

        Raises:
            ConfigError: It cannot be read, or contains something that no configuration may.
        """
        file = self._file(config_path)
        if not file.is_relative_to(self._folder):
            raise ConfigError(f"'{config_path}' lies outside the folder of --config-dir: {self._folder}")
        try:
            text = read_config_text(file)
            package = self.header(text[:512])["package"]
            content = parse_yaml(text, file)
            check_plain({} if content is None else content, file)
            if "hydra" in Path(config_path).with_suffix("").parts:
                package = "hydra"
            if errors := [*check_config_file(content, package), *check_untrusted_reads(content)]:
                raise ConfigError("\n".join(f"{file}: {error}" for error in errors))
            return self._load(config_path, file, package)
        except RecursionError:
            raise ConfigError(f"{file} nests its values too deeply") from None

    def _load(self, config_path: str, file: Path, package: str | None) -> ConfigResult:
        """Have Hydra read a file whose content has been checked."""
        try:
            result = super().load_config(config_path)
            if isinstance(result.config, DictConfig) and package == shipped.GLOBAL:
                expand_shorthands(result.config)
            return result
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{file} cannot be used: {' '.join(str(error).split())}") from error

    @property
    def _folder(self) -> Path:
        return Path(self.path).resolve()

    def _file(self, config_path: str) -> Path:
        return (self._folder / self.file_name(config_path)).resolve()


class SearchPath(SearchPathPlugin):
    """Appends the plugins and the folder of `--config-dir` to Hydra's search path."""

    config_dir: Path | None = None
    """The folder of `--config-dir`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the sources."""
        search_path.prepend(provider="ocr-trainer", path="shipped://")
        search_path.append(provider="ocr-trainer", path="plugins://")
        if self.config_dir is not None:
            search_path.append(provider="command-line", path=f"given://{self.config_dir.resolve()}")


for extension in (PluginSource, shipped.ShippedSource, ConfigDirSource, SearchPath):
    Plugins.instance().register(extension)

"""From command-line overrides to a typed configuration; the only user of Hydra and OmegaConf.

Hydra finds plugins through `PluginSource`, a config source like its own for files: `list` answers
from metadata, `load_config` imports one `plugin.py`. So plugins are config groups, and overrides,
experiments, sweeps and completion work on them, without a YAML file per plugin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_module, main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer import discovery
from ocr_trainer.errors import OcrTrainerError, PluginError
from ocr_trainer.explain import Fault, explain, unknown
from ocr_trainer.plugin import REQUIRED, Kind
from ocr_trainer.schema import RunConfig, plain
from ocr_trainer.validate import NO_BOUNDS, refuse, run_faults, value_faults

KINDS = {kind.value: kind for kind in Kind}
CONFIGS = "ocr_trainer.configs"


def plugin_schema(kind: Kind, name: str) -> DictConfig:
    """Return the options of a plugin with their types and defaults.

    Raises:
        PluginError: The plugin is not there or cannot be used.
    """
    description = discovery.load(kind, name)
    try:
        schema: DictConfig = OmegaConf.structured(description.config)
        schema.name = name
        for field in fields(description.config):
            if "plugin" in field.metadata and OmegaConf.is_missing(schema, field.name):
                # Open: which options it has, its name will tell.
                schema[field.name] = OmegaConf.create({"name": REQUIRED}, flags={"struct": False})
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        key = getattr(error, "full_key", None)
        reason = f"its option{f' {key} is' if key else 's are'} malformed: {str(error).splitlines()[0]}"
        raise discovery.broken(discovery.find(kind, name), reason) from error
    return schema


class PluginSource(ConfigSource):
    """Serves `schema`, and `<kind>/<name>` for every installed plugin."""

    saved: DictConfig | None = None
    """What `experiment/_saved` holds: the configuration that a checkpoint was trained with."""

    @staticmethod
    def scheme() -> str:
        """Name the scheme of `plugins://`."""
        return "plugins"

    def available(self) -> bool:
        """Say that it can be asked."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Tell whether it is a kind of plugin."""
        return config_path in ("", *KINDS)

    def is_config(self, config_path: str) -> bool:
        """Tell whether it is an installed plugin, by metadata alone."""
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        if group in KINDS:
            return name in discovery.names(KINDS[group])
        return config_path == "schema" or (config_path == "experiment/_saved" and self.saved is not None)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the installed plugins of a kind, by metadata alone."""
        if config_path in KINDS and results_filter is not ObjectType.GROUP:
            return discovery.names(KINDS[config_path])
        return list(KINDS) if config_path == "" and results_filter is not ObjectType.CONFIG else []

    def load_config(self, config_path: str) -> ConfigResult:
        """Import one `plugin.py` and return its options."""
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        header: dict[str, str | None] = {"package": None}
        if group in KINDS:
            node = plugin_schema(KINDS[group], name)
            header["package"] = f"logger.{name}" if group == "logger" else None
        elif group == "experiment":
            assert self.saved is not None
            node, header = self.saved, {"package": "_global_"}
        else:
            node = OmegaConf.structured(RunConfig)
        return ConfigResult(provider="plugins", path=self.full_path(), config=node, header=header)


class PluginSearchPath(SearchPathPlugin):
    """Puts `PluginSource` behind the configuration files."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the source."""
        search_path.append(provider="ocr-trainer", path="plugins://")


Plugins.instance().register(PluginSource)
Plugins.instance().register(PluginSearchPath)


def compose(overrides: Sequence[str], saved: Mapping[str, Any] | None = None) -> RunConfig:
    """Compose and check a run.

    Args:
        overrides: In Hydra's grammar, as on the command line.
        saved: The configuration of an earlier run, below the overrides.

    Raises:
        ConfigError: Everything that is wrong with it.
        PluginError: A plugin it names cannot serve.
    """
    faults: list[Fault] = []
    remaining = [*(_as_experiment(saved, overrides) if saved is not None else ()), *overrides]
    with initialize_config_module(CONFIGS, version_base="1.3"):
        # Hydra stops at the first fault; without the override to blame it goes on to the next.
        while True:
            try:
                config = hydra_compose("train", overrides=remaining)
                break
            except (HydraException, OmegaConfBaseException, PluginError, yaml.YAMLError, ValueError) as error:
                fault = explain(error, remaining)
                faults.append(fault)
                if fault.fatal or fault.override not in remaining:
                    _object(faults)
                remaining.remove(fault.override)
    return typed(config, [fault.message for fault in faults])


def _object(faults: Sequence[Fault]) -> NoReturn:
    """Raise what is wrong: as it is if it is a plugin's one fault, else all of it in one message."""
    if len(faults) == 1 and faults[0].error is not None:
        raise faults[0].error
    refuse([fault.message for fault in faults])


def typed(config: DictConfig, faults: Sequence[str] = ()) -> RunConfig:
    """Turn a composed configuration into dataclasses, checked.

    Args:
        config: The task's part of what Hydra composed.
        faults: What is known to be wrong with it already.

    Raises:
        ConfigError: Everything that is wrong with it.
        PluginError: A plugin it names cannot serve.
    """
    if open_ends := list(_unresolved(config)):
        refuse([*faults, *open_ends])  # nothing further can be read
    found = [*faults, *_plug_in(config, ""), *_open_ends(config)]
    sections = {}
    for field in fields(RunConfig):
        section = config.get(field.name)
        if OmegaConf.is_config(section) and not OmegaConf.missing_keys(section):
            try:
                section = OmegaConf.to_object(section)
            except (OmegaConfBaseException, ValueError) as error:
                # A plugin's own `__post_init__` objects with a ValueError.
                found.append(f"{field.name}: {str(error).splitlines()[0]}")
                continue
        if section is not None and section != REQUIRED:
            found.extend(value_faults(section, field.name, field.metadata.get("bounds", NO_BOUNDS)))
        sections[field.name] = section
    if found:
        refuse(found)
    run = RunConfig(**sections)
    if found := list(run_faults(run)):
        refuse(found)
    return run


def _plug_in(node: DictConfig, path: str) -> Iterator[str]:
    """Give sections that users name, and plugins among a plugin's options, their types.

    Yields what does not fit them.
    """
    kind = OmegaConf.get_type(node)
    marks = {f.name: f.metadata for f in fields(kind)} if is_dataclass(kind) else {}
    for key in map(str, node):
        mark: Mapping[str, Any] = marks.get(key, {})
        if OmegaConf.is_missing(node, key):
            continue
        if "plugin" in mark:
            # The name alone will do, as in dataset.parts.a.dataset=synthetic.
            chosen = node[key] if isinstance(node[key], DictConfig) else OmegaConf.create({"name": node[key]})
            name = None if OmegaConf.is_missing(chosen, "name") else chosen.get("name")
            if not isinstance(name, str):
                node[key] = None  # told once
                yield f"{path}{key}.name must be given: the name of a {mark['plugin'].value} plugin"
                continue
            yield from _give_type(node, key, plugin_schema(mark["plugin"], name), chosen, path)
        if not isinstance(node[key], DictConfig):
            continue
        if "sections" in mark:
            if not node[key]:
                first = fields(mark["sections"])[0].name
                yield f"{path}{key} is empty: name at least one: +{path}{key}.NAME.{first}=…"
            for name, section in list(node[key].items()):
                schema = OmegaConf.structured(mark["sections"])
                yield from _give_type(node[key], str(name), schema, section, f"{path}{key}.")
        yield from _plug_in(node[key], f"{path}{key}.")


def _give_type(node: DictConfig, key: str, schema: DictConfig, values: Any, path: str) -> Iterator[str]:
    if not isinstance(values, Mapping | DictConfig):
        yield f"{path}{key} must be a section of options, not {values}"
        return
    try:
        node[key] = OmegaConf.merge(schema, values)
    except (OmegaConfBaseException, ValueError) as error:
        yield explain(error, [], f"{path}{key}.").message


def _unresolved(config: DictConfig) -> Iterator[str]:
    """Replace interpolations by what they stand for; yield the first that stands for nothing."""
    try:
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        yield str(error).splitlines()[0]  # its fields are empty


def _open_ends(config: DictConfig) -> Iterator[str]:
    """Yield what `to_object` would stumble over: missing values, added keys."""
    for key in sorted(OmegaConf.missing_keys(config)):
        yield f"{key} must be given: {key}=…"
    yield from _added(config, "")


def _added(node: DictConfig, path: str) -> Iterator[str]:
    kind = OmegaConf.get_type(node)
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else None
    for key in map(str, node):
        if known is not None and key not in known:
            yield unknown(f"{path}{key}", known, "")
        elif not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            yield from _added(node[key], f"{path}{key}.")


def through_hydra(
    task: Callable[[RunConfig], None], fail: Callable[[OcrTrainerError], None], arguments: Sequence[str]
) -> None:
    """Let Hydra's own command line run the task: sweeps, --cfg, --info, --config-dir, completion.

    Args:
        task: Called with each run that the arguments describe.
        fail: Called with what is wrong with a run, so that a sweep goes on with the next.
        arguments: The command line without the program and our command.

    Raises:
        ConfigError: Everything that is wrong with it.
        PluginError: A plugin it names cannot serve.
    """
    sys.argv[1:] = arguments
    # Hydra would print errors in its own words and leave; so it raises them to us.
    os.environ["HYDRA_FULL_ERROR"] = "1"

    def attempt(config: DictConfig) -> None:
        try:
            task(typed(config))
        except OcrTrainerError as error:
            fail(error)

    run = main(version_base="1.3", config_path=f"pkg://{CONFIGS}", config_name="train")(attempt)
    try:
        run()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        _object([explain(error, [word for word in arguments if "=" in word])])


def _as_experiment(saved: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Offer a saved configuration as an experiment, so that overrides apply to it as to any other."""
    chosen = {override.partition("=")[0] for override in overrides}
    values = {key: value for key, value in saved.items() if key not in chosen}
    choices: list[dict[str, Any]] = [
        {f"override /{kind}": values[kind]["name"]} for kind in ("model", "dataset") if kind in values
    ]
    if "logger" in values:
        choices.append({"override /logger": list(values["logger"])})
    PluginSource.saved = OmegaConf.create({"defaults": choices, **values})
    return ["experiment=_saved"]


def to_yaml(run: RunConfig) -> str:
    """Return the configuration as YAML."""
    # The dumper in C takes a tenth of the time, which counts in `check`.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(plain(run), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text

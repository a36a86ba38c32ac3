"""From what Hydra composed to dataclasses: interpolations resolved, plugins given types, all checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config.hydra_source import plugin_schema
from ocr_trainer.config.messages import explain, unknown, unresolved
from ocr_trainer.config.schema import RunConfig, values
from ocr_trainer.config.security import check_redacted_urls, environment_reads, remember_references
from ocr_trainer.config.validate import NO_BOUNDS, refuse, validate_run, validate_value
from ocr_trainer.plugin import REQUIRED, Config, Kind, discovery


def to_run_config(config: DictConfig, faults: Sequence[str] = (), without_data: bool = False) -> RunConfig:
    """Turn a composed configuration into dataclasses, checked.

    Args:
        config: The task's part of what Hydra composed.
        faults: What is known to be wrong with it already.
        without_data: The configuration has no dataset, and needs none.

    Raises:
        ConfigError: Everything that is wrong with it.
        PluginError: A plugin it names cannot serve.
    """
    references: dict[tuple[str, ...], str] = {}
    if without_data:
        config.dataset = OmegaConf.structured(Config)
    if open_ends := list(_resolved(config, references)):
        refuse([*faults, *open_ends])  # nothing further can be read
    found = [*faults, *_plug_in(config, ""), *_open_ends(config)]
    sections = {}
    cls = run_class(config)
    for field in fields(cls):
        section = config.get(field.name)
        if OmegaConf.is_config(section) and not OmegaConf.missing_keys(section):
            try:
                section = OmegaConf.to_object(section)
            except (OmegaConfBaseException, ValueError) as error:
                # A plugin's own `__post_init__` objects with a ValueError.
                found.append(f"{field.name}: {str(error).splitlines()[0]}")
                continue
        if section is not None and section != REQUIRED:
            found.extend(validate_value(section, field.name, field.metadata.get("bounds", NO_BOUNDS)))
        sections[field.name] = section
    if found:
        refuse(found)
    run = cls(**sections)
    configuration = values(run)
    if found := [*_misnamed(run, without_data)] or [*validate_run(run), *check_redacted_urls(configuration)]:
        refuse(found)
    remember_references(configuration, references)
    return run


def run_class(config: DictConfig) -> type[RunConfig]:
    """Return the class of a composed configuration: that of its model's task."""
    cls = OmegaConf.get_type(config)
    return cls if isinstance(cls, type) and issubclass(cls, RunConfig) else RunConfig


def _misnamed(run: RunConfig, without_data: bool) -> Iterator[str]:
    """Yield the names that are not those of the plugins whose options they stand among."""
    plugins = {"model": (Kind.model, run.model)}
    if not without_data:
        plugins["dataset"] = (Kind.dataset, run.dataset)
    plugins |= {f"logger.{key}": (Kind.logger, section) for key, section in run.logger.items()}
    for key, (kind, section) in plugins.items():
        name = str(getattr(section, "name", None))
        if not discovery.matching(kind, name) or type(section) is not discovery.load(kind, name).config:
            yield f"{key}.name is filled in by the core; leave it alone, and choose with {kind.value}=NAME"


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


def _resolved(config: DictConfig, references: dict[tuple[str, ...], str]) -> Iterator[str]:
    """Replace interpolations by what they stand for; yield the first that stands for nothing.

    Args:
        config: The configuration.
        references: Takes what stands for something of the environment: the text at its path.
    """
    try:
        for path, text in _interpolations(OmegaConf.to_container(config, resolve=False)):
            before, node = environment_reads(), config
            for key in path[:-1]:
                node = node[int(key) if isinstance(node, ListConfig) else key]
            value = node[int(path[-1]) if isinstance(node, ListConfig) else path[-1]]
            if OmegaConf.is_config(value):
                OmegaConf.to_container(value, resolve=True)
            if environment_reads() > before:
                references[path] = text
        OmegaConf.resolve(config)
    except (OmegaConfBaseException, RecursionError) as error:
        yield unresolved(error)  # its fields are empty


def _interpolations(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str) and "${" in value:
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _interpolations(item, (*path, str(key)))


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

"""Convert a composed configuration to validated dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config.hydra_source import PluginSource, plugin_schema
from ocr_trainer.config.messages import explain, shown, unknown, unresolved
from ocr_trainer.config.schema import RunConfig, values
from ocr_trainer.config.security import (
    check_folder_name,
    check_redacted_urls,
    environment_reads,
    interpolations,
    remember_references,
)
from ocr_trainer.config.validate import NO_BOUNDS, refuse, validate_run, validate_value
from ocr_trainer.plugin import PLUGIN_TYPES, REQUIRED, Config, Kind, discovery


def to_run_config(config: DictConfig, errors: Sequence[str] = (), without_data: bool = False) -> RunConfig:
    """Convert a composed configuration to dataclasses and validate it.

    Args:
        config: Composed configuration without the `hydra` section.
        errors: Errors that are already known.
        without_data: The configuration was composed with `NO_DATASET`, and needs no dataset.

    Raises:
        ConfigError: The configuration is invalid; the message lists all errors.
        PluginError: A plugin that it names cannot be used.
    """
    if removed := [field.name for field in fields(run_class(config)) if field.name not in config]:
        # Without a model there are no other sections.
        refuse([*errors, *map(_removed, ["model"] if "model" in removed else removed)])
    references: dict[tuple[str, ...], str] = {}
    if unresolvable := list(_resolve(config, references)):
        refuse([*errors, *unresolvable])  # no other check can read the values
    found = [*errors, *apply_types(config, "")]
    missing = sorted(OmegaConf.missing_keys(config))
    # `to_object` cannot convert missing values and unknown keys.
    found += [f"{key} must be given: {_override_of(config, key)}=…" for key in missing]
    found += _unknown_keys(config, "")
    incomplete = {key.partition(".")[0] for key in missing}
    sections = {}
    cls = run_class(config)
    for field in fields(cls):
        section = config.get(field.name)
        if OmegaConf.is_config(section) and field.name not in incomplete:
            try:
                section = OmegaConf.to_object(section)
            except (OmegaConfBaseException, ValueError) as error:
                # A plugin's `__post_init__` may raise ValueError.
                found.append(f"{field.name}: {str(error).splitlines()[0]}")
                continue
        if section is not None and section != REQUIRED:
            found.extend(validate_value(section, field.name, field.metadata.get("bounds", NO_BOUNDS)))
        sections[field.name] = section
    if found:
        refuse(found)
    run = cls(**sections)
    run.init_from.explicit = list(_explicit(run)) if run.init_from.path is not None else []
    configuration = values(run)
    if found := [*_wrong_plugin_names(run, without_data)] or [
        *validate_run(run),
        *check_redacted_urls(configuration),
        *check_folder_name(run.exp_name, "exp_name"),
        *check_folder_name(str(run.output_dir), "output_dir"),
    ]:
        refuse(found)
    remember_references(configuration, references)
    return run


def _explicit(run: RunConfig) -> Iterator[str]:
    """Yield the options of the model's architecture that the run sets, in an override or in a file.

    A file that sets an option to its default cannot be told from one that leaves it out.
    """
    model = discovery.load_model(run.model.name)
    # The initial weights of a backbone are no part of the architecture.
    keys = [f"{key}." for key in PluginSource.overridden if not key.endswith(".weights")]
    for field in fields(model.config):
        if field.name not in model.architecture:
            continue
        value = getattr(run.model.without_init_weights(), field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if isinstance(value, Config):  # a plugin: the default has its name only
            default = type(value)(name=default.name) if isinstance(default, Config) else None
        if value != default or any(key.startswith(f"model.{field.name}.") for key in keys):
            yield field.name


def _removed(name: str) -> str:
    """Return the message for a section or option that an override such as `~trainer` removes."""
    return f"a run needs '{name}': leave ~{name} out"


def run_class(config: DictConfig) -> type[RunConfig]:
    """Return the class of a composed configuration: that of its model's task."""
    cls = OmegaConf.get_type(config)
    return cls if isinstance(cls, type) and issubclass(cls, RunConfig) else RunConfig


def _wrong_plugin_names(run: RunConfig, without_data: bool) -> Iterator[str]:
    """Yield the `name` options that do not match the plugin of their section."""
    for key, kind, section in run.plugins():
        name = str(getattr(section, "name", None))
        if without_data and kind is Kind.dataset:
            continue
        if not discovery.matching(kind, name) or type(section) is not discovery.load(kind, name).config:
            yield f"{key}.name is set by the core: choose a plugin with {PLUGIN_TYPES[kind].choice('NAME')}"


def _override_of(config: DictConfig, key: str) -> str:
    """Return how an override names an option: Hydra wants a + before those of user-named sections."""
    node = config
    for part in key.split(".")[:-1]:
        kind = OmegaConf.get_type(node)
        if is_dataclass(kind) and any(f.name == part and "sections" in f.metadata for f in fields(kind)):
            return f"+{key}"
        node = node[part]
    return key


def apply_types(node: DictConfig, path: str) -> Iterator[str]:
    """Apply schemas to user-named sections and nested plugins; yield the errors."""
    kind = OmegaConf.get_type(node)
    marks = {f.name: f.metadata for f in fields(kind)} if is_dataclass(kind) else {}
    for key in map(str, node):
        mark: Mapping[str, Any] = marks.get(key, {})
        if OmegaConf.is_missing(node, key):
            continue
        if "plugin" in mark:
            # The name alone is enough, as in dataset.parts.a.dataset=synthetic.
            chosen = node[key] if isinstance(node[key], DictConfig) else OmegaConf.create({"name": node[key]})
            name = None if OmegaConf.is_missing(chosen, "name") else chosen.get("name")
            if not isinstance(name, str):
                node[key] = None  # report it only once
                yield f"{path}{key}.name must be given: the name of a {mark['plugin'].value} plugin"
                continue
            yield from _merge_into_schema(node, key, plugin_schema(mark["plugin"], name), chosen, path)
        if not isinstance(node[key], DictConfig):
            continue
        if "sections" in mark:
            if not node[key]:
                first = fields(mark["sections"])[0].name
                yield f"{path}{key} is empty: name at least one: +{path}{key}.NAME.{first}=…"
            for name, section in list(node[key].items()):
                schema = OmegaConf.structured(mark["sections"])
                yield from _merge_into_schema(node[key], str(name), schema, section, f"{path}{key}.")
        yield from apply_types(node[key], f"{path}{key}.")


def _merge_into_schema(
    node: DictConfig, key: str, schema: DictConfig, values: Any, path: str
) -> Iterator[str]:
    if not isinstance(values, Mapping | DictConfig):
        yield f"{path}{key} must be a section of options, not {values}"
        return
    try:
        node[key] = OmegaConf.merge(schema, values)
    except (OmegaConfBaseException, ValueError) as error:
        yield explain(error, [], f"{path}{key}.").message


def _resolve(config: DictConfig, references: dict[tuple[str, ...], str]) -> Iterator[str]:
    """Resolve all interpolations in place; yield the first error.

    Args:
        config: The configuration.
        references: Receives the interpolations that read the environment: path and text.
    """
    at = ""
    try:
        for path, text in interpolations(OmegaConf.to_container(config, resolve=False)):
            at = f"{'.'.join(path)}={shown(text)}: "
            before, node = environment_reads(), config
            for key in path[:-1]:
                node = node[int(key) if isinstance(node, ListConfig) else key]
            value = node[int(path[-1]) if isinstance(node, ListConfig) else path[-1]]
            if OmegaConf.is_config(value):
                OmegaConf.to_container(value, resolve=True)
            if environment_reads() > before:
                references[path] = text
        at = ""
        OmegaConf.resolve(config)
    except (OmegaConfBaseException, RecursionError) as error:
        yield f"{at}{unresolved(error)}"  # OmegaConf leaves the key and value of this error empty


def _unknown_keys(node: DictConfig, path: str) -> Iterator[str]:
    kind = OmegaConf.get_type(node)
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else None
    for key in map(str, node):
        if known is not None and key not in known:
            yield unknown(f"{path}{key}", known, "")
        elif not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            yield from _unknown_keys(node[key], f"{path}{key}.")

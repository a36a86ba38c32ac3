"""Options that were renamed after version 0.1.

Overrides must use the new name; the old one is refused with a message that names the new one. Saved
configurations (run directories, checkpoints) may use the old names: `upgrade` converts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from ocr_trainer.config.plain_data import check_plain
from ocr_trainer.config.schema import RunConfig, expand_shorthands
from ocr_trainer.config.tasks import run_config_class, run_config_classes
from ocr_trainer.errors import ConfigError, PluginError
from ocr_trainer.plugin import Kind, Task, discovery

RENAMED = {
    "text_augment": "augment",
    "augment.colour": "augment.color",
    "augment.grey": "augment.gray",
    "augment.tint": "augment.color_cast",
    "augment.rand_layers": "model.rand_augment_layers",
    "augment.rand_magnitude": "model.rand_augment_magnitude",
    "data.pictures": "data.log_images",
    "data.pool": "data.bucket_batches",
    "data.workers": "data.num_workers",
    "ranks": "distributed",
}
"""Maps old names to new names; a renamed section includes the options below it."""

SINCE = "distributed"
"""A section that every saved configuration of today has, and none of before the renames."""


def new_name(key: str) -> str | None:
    """Return the current name of a renamed option, or `None` if it was not renamed."""
    renamed = key
    for old, new in RENAMED.items():
        if renamed == old or renamed.startswith(f"{old}."):
            renamed = f"{new}{renamed.removeprefix(old)}"
    return renamed if renamed != key else None


def task_of(key: str, run: type[RunConfig]) -> Task | None:
    """Return the task that has an option which the given class lacks, or `None`."""
    for task, cls in run_config_classes():
        if cls is not run and _has(cls, key.split(".")):
            return task
    return None


def _has(section: Any, path: list[str]) -> bool:
    """Return whether a section has an option, according to the types of its fields."""
    if not path:
        return True
    if not is_dataclass(section) or path[0] not in {field.name for field in fields(section)}:
        return False
    return len(path) == 1 or _has(get_type_hints(section)[path[0]], path[1:])


def upgrade(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved configuration with the current names, without sections of other tasks."""
    config = dict(saved)
    expand_shorthands(config)
    if "callback" not in config:
        _drop_unused(config, Kind.optimizer, Kind.schedule)
    if SINCE in config:
        return config
    try:
        model = discovery.load_model(str(config["model"]["name"]))
    except (PluginError, LookupError, TypeError):
        return config  # its task is not known; whoever builds the model reports why
    cls = run_config_class(model.task)
    cls.upgrade(config)
    # Options that moved to some models are dropped for the others.
    known = {field.name for field in fields(model.config)} | {*saved["model"]}
    config["model"] = {key: value for key, value in config["model"].items() if key in known}
    for old, new in RENAMED.items():
        _move(config, old.split("."), new.split("."))
    return _without_other_tasks(config, cls)


def upgrade_saved(content: Any, origin: object) -> dict[str, Any]:
    """Return a configuration that was saved by a run or in a checkpoint, with the current names.

    Args:
        content: What was read.
        origin: Where it was read, for messages.

    Raises:
        ConfigError: It is nothing that a run saves.
    """
    check_plain(content, origin)
    try:
        return upgrade(content)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{origin} was not written by ocr-train, or it was changed") from error


def _drop_unused(config: dict[str, Any], *kinds: Kind) -> None:
    """Drop the options that a plugin does not have from sections that all plugins of the kind shared."""
    for kind in kinds:
        section = config.get(kind.value)
        if isinstance(section, dict) and discovery.matching(kind, str(section.get("name"))):
            known = {field.name for field in fields(discovery.load(kind, section["name"]).config)}
            config[kind.value] = {key: value for key, value in section.items() if key in known}


def _move(config: dict[str, Any], old: list[str], new: list[str]) -> None:
    """Rename an option or a section where it stands, if it is there."""
    *parents, name = old
    if parents != new[:-1]:
        return  # the task's own `upgrade` moves what goes elsewhere
    if not parents and new[0] in config:
        config.pop(name, None)  # the section of another task
        return
    section = config
    for parent in parents:
        if not isinstance(section.get(parent), dict):
            return
        section[parent] = section = dict(section[parent])
    if name in section:
        section[new[-1]] = section.pop(name)


def _without_other_tasks(config: dict[str, Any], cls: type[RunConfig]) -> dict[str, Any]:
    """Drop the sections and options that only other tasks have. Version 0.1 saved those of all tasks."""
    for _, other in run_config_classes():
        for path in _paths(config):
            if _has(other, path) and not _has(cls, path):
                section = config if len(path) == 1 else config[path[0]]
                del section[path[-1]]
    return config


def _paths(config: dict[str, Any]) -> list[list[str]]:
    """Return the paths of all sections and of the options in them; sections are copied to be changed."""
    paths = [[key] for key in config]
    for key, value in config.items():
        if isinstance(value, dict):
            config[key] = dict(value)
            paths += [[key, name] for name in value]
    # An option goes before its section, which may go as well.
    return sorted(paths, key=len, reverse=True)

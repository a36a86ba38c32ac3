"""Options that have another name since version 0.1: refused with the new name, read from old run folders.

An override must use the new name. A saved configuration (a run directory, a checkpoint) may use the old
one: `upgrade` brings it into today's form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.tasks import run_config_class
from ocr_trainer.errors import PluginError
from ocr_trainer.plugin import Kind, ModelPlugin, Task, discovery

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
"""The new name of each option, by its old name; what lies below a section moves with it."""

SINCE = "distributed"
"""A section that every saved configuration of today has, and none of before the renames."""


def new_name(key: str) -> str | None:
    """Return the name that an option has now, or `None` if its name is no old one."""
    renamed = key
    for old, new in RENAMED.items():
        if renamed == old or renamed.startswith(f"{old}."):
            renamed = f"{new}{renamed.removeprefix(old)}"
    return renamed if renamed != key else None


def task_of(key: str, but: type[RunConfig]) -> Task | None:
    """Return the task whose runs have an option that runs of another class lack, if there is one."""
    for task in Task:
        if (cls := run_config_class(task)) is not but and _has(cls, key.split(".")):
            return task
    return None


def _has(section: Any, path: list[str]) -> bool:
    """Tell whether a section has an option, going by the types of its fields."""
    if not path:
        return True
    if not is_dataclass(section) or path[0] not in {field.name for field in fields(section)}:
        return False
    return len(path) == 1 or _has(get_type_hints(section)[path[0]], path[1:])


def upgrade(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved configuration with today's names; sections that its task does not have are dropped."""
    config = dict(saved)
    if SINCE in config:
        return config
    try:
        model = discovery.load(Kind.model, str(config["model"]["name"]))
    except (PluginError, LookupError, TypeError):
        return config  # its task is not known; whoever builds the model reports why
    assert isinstance(model, ModelPlugin)
    cls = run_config_class(model.task)
    cls.upgrade(config)
    # What moved to the models that have it is left out for the others.
    options = {field.name for field in fields(model.config)}
    config["model"] = {key: value for key, value in config["model"].items() if key in options}
    for old, new in RENAMED.items():
        _move(config, old.split("."), new.split("."))
    return _known(config, cls)


def _move(config: dict[str, Any], old: list[str], new: list[str]) -> None:
    """Rename an option or a section where it stands, if it is there."""
    *parents, name = old
    if parents != new[:-1] or (not parents and new[0] in config):
        return  # the task's own `upgrade` moves what goes elsewhere
    section = config
    for parent in parents:
        if not isinstance(section.get(parent), dict):
            return
        section[parent] = section = dict(section[parent])
    if name in section:
        section[new[-1]] = section.pop(name)


def _known(config: dict[str, Any], cls: type[RunConfig]) -> dict[str, Any]:
    """Drop what belongs to other tasks; the sections of plugins stay as they are."""
    types = get_type_hints(cls)
    known = {key: value for key, value in config.items() if key in types}
    for key, value in known.items():
        if key not in ("model", "dataset", "logger") and is_dataclass(types[key]) and isinstance(value, dict):
            known[key] = {name: item for name, item in value.items() if _has(types[key], [name])}
    return known

"""Options that were renamed after version 0.1.

Overrides must use the new name; the old one is refused with a message that names the new one. Saved
configurations (run directories, checkpoints) may use the old names: `upgrade` converts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
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
"""Maps old names to new names; a renamed section includes the options below it."""

OLD_SECTION = "text_augment"
"""A section that every saved configuration of version 0.1 has, and no newer one."""


def new_name(key: str) -> str | None:
    """Return the current name of a renamed option, or `None` if it was not renamed."""
    renamed = key
    for old, new in RENAMED.items():
        if renamed == old or renamed.startswith(f"{old}."):
            renamed = f"{new}{renamed.removeprefix(old)}"
    return renamed if renamed != key else None


def task_of(key: str, run: type[RunConfig]) -> Task | None:
    """Return the task that has an option which the given class lacks, or `None`."""
    for task in Task:
        if (cls := run_config_class(task)) is not run and _has(cls, key.split(".")):
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
    if OLD_SECTION not in config:
        return config
    # Without the model plugin, the task is unknown; building the model reports the missing plugin.
    with suppress(PluginError, LookupError, TypeError):
        model = discovery.load(Kind.model, str(config["model"]["name"]))
        assert isinstance(model, ModelPlugin)
        cls = run_config_class(model.task)
        cls.upgrade(config)
        for old, new in RENAMED.items():
            _move(config, old.split("."), new.split("."))
        return _known(config, cls)
    return config


def _move(config: dict[str, Any], old: list[str], new: list[str]) -> None:
    """Move an option or a section if it exists; copy a section before changing it."""
    *parents, name = old
    if len(parents) > 1 or new[: len(parents)] != parents:
        return
    section = config[parents[0]] = dict(config[parents[0]]) if parents else config
    if name in section:
        section[new[-1]] = section.pop(name)


def _known(config: dict[str, Any], cls: type[RunConfig]) -> dict[str, Any]:
    """Drop the sections and options of other tasks; leave plugin sections as they are."""
    types = get_type_hints(cls)
    known = {key: value for key, value in config.items() if key in types}
    for key, value in known.items():
        if key not in ("model", "dataset", "logger") and is_dataclass(types[key]) and isinstance(value, dict):
            known[key] = {name: item for name, item in value.items() if _has(types[key], [name])}
    return known

"""Refuses a run that cannot be, with all its faults in one message, before torch is imported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

from ocr_trainer import discovery
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Bounds, Config, DatasetPlugin, Kind, ModelPlugin, Options, Task
from ocr_trainer.schema import RunConfig, ScheduleName

NO_BOUNDS = Bounds()


def refuse(faults: Sequence[str]) -> NoReturn:
    """Raise one ConfigError that lists all faults."""
    raise ConfigError("this run cannot start:\n" + "\n".join(f"  - {fault}" for fault in faults))


def run_faults(run: RunConfig) -> Iterator[str]:
    """Yield what is wrong with a run whose sections are right."""
    yield from _task_faults(run)
    if run.trainer.endless and (run.schedule.name is not ScheduleName.constant or run.schedule.warmup):
        yield (
            f"schedule={run.schedule.name.value} goes by the run's steps, so these need an end: "
            "set trainer.max_epochs or trainer.max_steps, or schedule=constant schedule.warmup=0"
        )
    if run.init_from is not None and not run.init_from.is_file():
        yield f"init_from={run.init_from}: there is no such checkpoint"
    name = run.exp_name
    if not name.strip() or name.startswith(("/", "~")) or ".." in name.split("/") or "\0" in name:
        yield f"exp_name={name!r} must be a name for a folder below {run.output_dir}"


def option_faults(options: Options, path: str = "") -> Iterator[str]:
    """Yield the values that are out of range, and what each section says of itself."""
    for field in fields(options):
        value, key = getattr(options, field.name), f"{path}{field.name}"
        yield from value_faults(value, key, field.metadata.get("bounds", NO_BOUNDS))
    for fault in options.faults():
        yield f"{path.rstrip('.')}: {fault}" if path else fault


def value_faults(value: Any, key: str, bounds: Bounds = NO_BOUNDS) -> Iterator[str]:
    """Yield what is wrong with the value of an option, or with all values of a section."""
    if isinstance(value, Options) and is_dataclass(value):
        yield from option_faults(value, f"{key}.")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from value_faults(item, f"{key}.{name}", bounds)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from value_faults(item, f"{key}[{index}]", bounds)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{key} must be a finite number, not {value}"
    elif isinstance(value, int | float) and not isinstance(value, bool) and not bounds.admit(value):
        yield f"{key} must be {bounds}, not {value:g}"


def plugins_within(options: Any, path: str = "") -> Iterator[tuple[str, Kind, Config]]:
    """Yield the plugins among the options of a plugin: key, kind and options."""
    if isinstance(options, dict):
        for name, item in options.items():
            yield from plugins_within(item, f"{path}.{name}")
    elif isinstance(options, Options) and is_dataclass(options):
        for field in fields(options):
            value, key = getattr(options, field.name), f"{path}.{field.name}"
            if "plugin" in field.metadata and isinstance(value, Config):
                yield key, field.metadata["plugin"], value
            yield from plugins_within(value, key)


def _task_faults(run: RunConfig) -> Iterator[str]:
    model = discovery.load(Kind.model, run.model.name)
    assert isinstance(model, ModelPlugin)
    if model.task is not Task.detection:
        yield f"model={run.model.name} does {model.task.value}, which this version cannot train"
    for key, kind, config in [
        ("dataset", Kind.dataset, run.dataset),
        *plugins_within(run.dataset, "dataset"),
    ]:
        dataset = discovery.load(kind, config.name)
        if isinstance(dataset, DatasetPlugin) and model.task not in dataset.tasks:
            offered = " and ".join(task.value for task in dataset.tasks)
            yield f"model={run.model.name} does {model.task.value}, but {key}={config.name} offers {offered}"

"""Validate the configuration of a run and report all errors at once, before torch is imported."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.scores import score_errors
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import (
    Bounds,
    Config,
    DatasetPlugin,
    Kind,
    Options,
    SchedulePlugin,
    Task,
    discovery,
)

LONGEST_TMPDIR = 75
"""Maximum length of the path of the temporary folder, in bytes. With a longer one, the names of the data
workers' sockets do not fit, and a run would wait for them forever."""
NO_BOUNDS = Bounds()
NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
LARGEST = 1e30
"""Largest number of an option. Weights and steps have single precision, whose largest number is 3.4e38; torch
ends with an error of its own where an option, or its multiple, is beyond that."""
UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, which ends a path in C, and surrogates, Python's form of bytes that are not UTF-8."""
LONGEST_NAME = 255
"""Maximum length of a folder name, in bytes."""


def refuse(errors: Sequence[str]) -> NoReturn:
    """Raise one ConfigError that lists all errors, each once: two overrides may meet the same one."""
    raise ConfigError(
        "this run cannot start:\n" + "\n".join(f"  - {error}" for error in dict.fromkeys(errors))
    )


def validate_run(run: RunConfig) -> Iterator[str]:
    """Yield the errors of a run whose sections are valid by themselves."""
    yield from _task_errors(run)
    schedule = discovery.load(Kind.schedule, run.schedule.name)
    assert isinstance(schedule, SchedulePlugin)
    if run.trainer.endless and (run.schedule.warmup or not schedule.endless):
        yield (
            f"schedule={run.schedule.name} depends on the total number of steps, which is unlimited: "
            "set trainer.max_epochs or trainer.max_steps, or schedule=constant schedule.warmup=0"
        )
    if (path := run.init_from.path) is not None and not path.is_file():
        yield f"init_from={path}: {_why_no_file(path)}"
    yield from _name_errors(run)
    temporary = os.environ.get("TMPDIR", "")
    if (
        run.data.num_workers != 0
        and len(os.fsencode(temporary)) > LONGEST_TMPDIR
        and Path(temporary).is_dir()
    ):
        yield (
            f"TMPDIR={temporary} is too long for the sockets of data workers: "
            f"set it to a path of at most {LONGEST_TMPDIR} bytes, or data.num_workers=0"
        )


def _why_no_file(path: Path) -> str:
    if not path.is_dir():
        return "the file does not exist"
    best = path / "checkpoints" / "best.ckpt"
    return f"that is a folder, not a checkpoint{f': init_from={best}' if best.is_file() else ''}"


def validate_options(options: Options, path: str = "") -> Iterator[str]:
    """Yield the values that are out of range and the errors of each section."""
    for field in fields(options):
        value, key = getattr(options, field.name), f"{path}{field.name}"
        yield from validate_value(value, key, field.metadata.get("bounds", NO_BOUNDS))
    for error in options.validate():
        yield f"{path.rstrip('.')}: {error}" if path else error


def validate_value(value: Any, key: str, bounds: Bounds = NO_BOUNDS) -> Iterator[str]:
    """Yield the errors of the value of an option, or of all values of a section."""
    if isinstance(value, Options) and is_dataclass(value):
        yield from validate_options(value, f"{key}.")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from validate_value(item, f"{key}.{name}", bounds)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from validate_value(item, f"{key}[{index}]", bounds)
    elif isinstance(value, str | Path) and UNWRITABLE.search(str(value)):
        yield f"{key}={str(value)!r} contains a NUL or bytes that are not UTF-8"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{key} must be a finite number, not {value}"
    elif isinstance(value, float) and abs(value) > LARGEST:
        yield f"{key} must be a number that weights can hold, at most {LARGEST:g}, not {value:g}"
    elif isinstance(value, int | float) and not isinstance(value, bool) and not bounds.admit(value):
        yield f"{key} must be {bounds}, not {value:g}"


class NestedPlugin(NamedTuple):
    """A plugin among the options of a plugin."""

    key: str
    kind: Kind
    config: Config
    task: Task | None
    """The task that it must support, if not that of the run's model."""


def nested_plugins(options: Any, path: str = "", task: Task | None = None) -> Iterator[NestedPlugin]:
    """Yield the plugins among the options of a plugin, recursively."""
    if isinstance(options, dict):
        for name, item in options.items():
            yield from nested_plugins(item, f"{path}.{name}", task)
    elif isinstance(options, Options) and is_dataclass(options):
        for field in fields(options):
            value, key = getattr(options, field.name), f"{path}.{field.name}"
            required = field.metadata.get("task") or task
            if "plugin" in field.metadata and isinstance(value, Config):
                yield NestedPlugin(key, field.metadata["plugin"], value, required)
            yield from nested_plugins(value, key, required)


def _name_errors(run: RunConfig) -> Iterator[str]:
    """Yield why the run's name cannot be the name of a folder, on this or another system."""
    name = run.exp_name
    parts = name.split("/")
    outside = name.startswith(("/", "~")) or ".." in parts or set(parts) <= {"", "."} or not name.strip()
    if outside or NOT_IN_NAMES.search(name):
        yield (
            f"exp_name={name!r} must be a name for a folder below {run.output_dir}, "
            "without control characters and backslashes"
        )
    elif (longest := max(len(part.encode(errors="replace")) for part in parts)) > LONGEST_NAME:
        yield f"exp_name is too long: {longest} bytes between slashes, where file systems take {LONGEST_NAME}"


def _task_errors(run: RunConfig) -> Iterator[str]:
    model = discovery.load_model(run.model.name)
    for key, kind, config in run.plugins():
        tasks = None if kind is Kind.dataset else getattr(discovery.load(kind, config.name), "tasks", None)
        if tasks is not None and model.task not in tasks:
            offered = " and ".join(task.value for task in tasks)
            yield f"model={run.model.name} does {model.task.value}, but {key} is for {offered}: leave it out"
    if not run.dataset.name:
        return  # composed without a dataset
    yield from score_errors(run)
    named = NestedPlugin("dataset", Kind.dataset, run.dataset, None)
    for key, kind, config, required in [named, *nested_plugins(run.dataset, "dataset")]:
        dataset, task = discovery.load(kind, config.name), required or model.task
        if isinstance(dataset, DatasetPlugin) and task not in dataset.tasks:
            offered = " and ".join(task.value for task in dataset.tasks)
            needs = (
                f"{key} must offer {task.value}" if required else f"model={run.model.name} does {task.value}"
            )
            yield f"{needs}, but {key}={config.name} offers {offered}{_fitting(task, config, key)}"


def _fitting(task: Task, config: Config, key: str) -> str:
    """Return a hint with the installed datasets that support the task or can convert this one."""
    fitting = discovery.datasets_for(task)
    converters = "".join(
        f"\n      or cut its texts out: {key}={name} {key}.{inner}.name={config.name} {key}.{inner}.…"
        for name in fitting
        if (inner := _converts(name, config)) is not None
    )
    return f"\n      datasets that offer {task.value}: {', '.join(fitting)}{converters}"


def _converts(name: str, config: Config) -> str | None:
    """Return the option of a dataset plugin that accepts `config`, a dataset of another task, or `None`."""
    dataset = discovery.load(Kind.dataset, config.name)
    assert isinstance(dataset, DatasetPlugin)
    for field in fields(discovery.load(Kind.dataset, name).config):
        if field.metadata.get("plugin") is Kind.dataset and field.metadata.get("task") in dataset.tasks:
            return field.name
    return None

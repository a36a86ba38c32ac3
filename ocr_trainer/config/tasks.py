"""Look up the configuration class of a task by name, so that nothing outside `tasks/` lists the classes."""

from __future__ import annotations

from importlib import import_module

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Task


def run_config_class(task: Task) -> type[RunConfig]:
    """Return the configuration class of a task: `RUN_CONFIG` of `ocr_trainer.tasks.<task>.config`."""
    cls: type[RunConfig] = import_module(f"ocr_trainer.tasks.{task.value}.config").RUN_CONFIG
    return cls

"""Look up the configuration class of a task through its plugin: nothing outside a task knows its class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import PluginError
from ocr_trainer.plugin import Kind, Prediction, Task, TaskPlugin, discovery


def run_config_class(task: Task) -> type[RunConfig]:
    """Return the configuration class of a task, which the description of its plugin names.

    Raises:
        PluginError: No task plugin has that name, or it cannot be used.
    """
    description = _description(task)
    plugin = discovery.find(Kind.task, task.value)
    cls = discovery.import_attribute(plugin, description.run_config, "configuration")
    # `is_dataclass` is also true of an undecorated class that inherits from a dataclass.
    if not (isinstance(cls, type) and issubclass(cls, RunConfig) and "__dataclass_fields__" in vars(cls)):
        reason = f"{description.run_config} is not a dataclass derived from {RunConfig.__module__}.RunConfig"
        raise discovery.broken(plugin, reason)
    if not cls.MONITOR:
        raise discovery.broken(
            plugin, f"{description.run_config} does not set MONITOR, the score of its best"
        )
    return cls


def prediction(task: Task) -> Prediction | None:
    """Return what the models of a task give for an image; None if nothing but the task itself can use it.

    Raises:
        PluginError: No task plugin has that name, or it cannot be used.
    """
    return _description(task).prediction


def _description(task: Task) -> TaskPlugin:
    description = discovery.load(Kind.task, task.value)
    assert isinstance(description, TaskPlugin)
    return description


def run_config_classes() -> Iterator[tuple[Task, type[RunConfig]]]:
    """Yield the installed tasks with their configuration classes; skip broken plugins."""
    for name in discovery.names(Kind.task):
        with suppress(PluginError):
            yield Task(name), run_config_class(Task(name))

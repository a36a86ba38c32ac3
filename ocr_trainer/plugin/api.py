"""The contract between the core and every plugin, built-in or third-party.

A plugin has a name, a light description, and a heavy module that is imported only when a run chooses the
plugin. The description is a `Config` dataclass and one object of the kind's class, such as `ModelPlugin`; an
entry point gives the object its name. The description is imported whenever the plugin is named, so its module
imports only the standard library and `ocr_trainer.plugin`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from ocr_trainer.plugin.data_report import DataReport
from ocr_trainer.plugin.kind import Kind

API = 1
"""Version of this contract. A plugin states the version it was written for."""

REQUIRED: Any = "???"
"""Default of an option that the user must set."""


@dataclass(frozen=True)
class Task:
    """A task that models learn and datasets support: the name of a task plugin.

    `Task("script")` is the task of the plugin `script`. Equal names give the same object.
    """

    value: str

    detection: ClassVar[Task]
    recognition: ClassVar[Task]

    def __new__(cls, value: str) -> Task:
        """Return the one object of that name."""
        return _TASKS.setdefault(value, super().__new__(cls))

    def __reduce__(self) -> tuple[type[Task], tuple[str]]:
        return Task, (self.value,)


_TASKS: dict[str, Task] = {}
Task.detection, Task.recognition = Task("detection"), Task("recognition")


@dataclass(frozen=True)
class Bounds:
    """The range of a numeric option; `None` means no limit."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        limits = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        return " and ".join(f"{word} {limit:.12g}" for word, limit in limits.items() if limit is not None)

    def admit(self, value: float) -> bool:
        """Return whether `value` is finite and within the bounds."""
        return (
            math.isfinite(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


def option(
    default: Any = REQUIRED,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare a numeric option with bounds; in a list, they apply to each element.

    Args:
        default: The default; without one, the user must set the option.
        at_least: Inclusive lower bound.
        above: Exclusive lower bound.
        at_most: Inclusive upper bound.
        below: Exclusive upper bound.
    """
    metadata = {"bounds": Bounds(at_least, above, at_most, below)}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def plugin_option(kind: Kind, task: Task | None = None, default: Config | None = None) -> Any:
    """Declare an option that is itself a plugin, chosen by `name`; the other keys are its options.

    Args:
        kind: The kind of plugin.
        task: The task that a dataset must support; the task of the run's model if not given.
        default: The options of the default plugin, with its `name`; without one, the user must choose.
    """
    metadata = {"plugin": kind, "task": task}
    if default is None:
        return field(default=REQUIRED, metadata=metadata)
    return field(default_factory=lambda: replace(default), metadata=metadata)


@dataclass
class Options:
    """A section of the configuration: typed fields with defaults and a docstring under each.

    Types: int, float, bool, str, Path, Enum, `X | None`, list, dict, nested `Options`.
    """

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        yield from ()


def sections_option(kind: type[Options]) -> Any:
    """Declare a `dict[str, Any]` of at least one section of one type; the user chooses their names."""
    return field(default_factory=dict, metadata={"sections": kind})


@dataclass
class Config(Options):
    """The options of a plugin."""

    name: str = ""
    """The name that the plugin was chosen by. The core fills it in; do not set it."""

    def without_init_weights(self) -> Self:
        """Return the options for a checkpoint, without those that only initialize the weights."""
        return self


@dataclass(frozen=True)
class Context:
    """What the core passes to a factory in addition to the options."""

    task: Task
    """The task that the run trains."""
    seed: int = 0
    """Random seed of the run."""
    folder: Path = Path()
    """Run directory. A plugin writes its files only below it."""
    exp_name: str = "default"
    """Name of the run."""
    charset: str = ""
    """Characters that a recognizer distinguishes, in the order of its outputs; NFC, without duplicates."""
    tokenizer: Mapping[str, Any] | None = None
    """State of a recognizer's own tokenizer; `None` if its codes are the characters of the charset."""
    data_report: DataReport = field(default_factory=DataReport)
    """Where a dataset records what it reads and skips."""
    parameter_groups: Sequence[dict[str, Any]] = ()
    """For an optimizer: the parameter groups, in the form that `torch.optim.Optimizer` takes. Each has
    `params`, and their `weight_decay` and `lr`."""
    model: Any = None
    """For an optimizer: the `torch.nn.Module` that has these parameters."""
    resume_step: int | None = None
    """Optimizer step, counted from 0, at which a resumed run continues; loggers continue from there."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Plugin:
    """The description that all kinds of plugins share. Each kind derives a class that declares the kind."""

    kind: ClassVar[Kind]
    config_base: ClassVar[type[Config]] = Config
    """The class that the options of such a plugin derive from."""
    group: ClassVar[str | None] = None
    """The config group that chooses such plugins, as in `group=NAME`; None if something else chooses them."""
    many: ClassVar[bool] = False
    """Whether the group takes a list, as in `group=[NAME,NAME]`."""
    result: ClassVar[str] = "builtins:object"
    """`module:Class` that the factory must return an instance of."""
    suite: ClassVar[str] = "ocr_trainer.testing:PluginSuite"
    """`module:Class` of the suite that checks such a plugin."""

    api: int
    """Version of the contract that the plugin was written for: 1."""
    summary: str
    """One line for `list-plugins` and `describe`."""
    config: type[Config]
    """Class of the plugin's options."""
    factory: str
    """`package.module:attribute`, called as `factory(config, context)` when a run uses the plugin."""
    variants: bool = False
    """Whether users choose a variant of the plugin as `NAME/VARIANT`, which is then `config.name`."""

    # One method for all kinds: generating methods takes most of the time to define a dataclass.
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary!r}, factory={self.factory!r})"

    def errors(self) -> Iterator[str]:
        """Yield what is wrong with the fields that only this kind of plugin has."""
        yield from ()

    @classmethod
    def choice(cls, name: str) -> str:
        """Return the override that selects a plugin of this kind, such as `model=dbnet` or `logger=[csv]`."""
        return f"{cls.group}=[{name}]" if cls.many else f"{cls.group}={name}"

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of a plugin's options in the configuration, such as `model` or `logger.csv`."""
        return f"{cls.group}.{name}" if cls.many else str(cls.group)

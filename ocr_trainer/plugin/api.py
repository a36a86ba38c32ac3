"""The contract between the core and every plugin, built-in or third-party.

A plugin has a name, a light description, and a heavy module that is imported only when a run chooses the
plugin. The description is a `Config` dataclass and one `ModelPlugin`, `DatasetPlugin` or `LoggerPlugin`
object; an entry point gives the object its name. The description is imported whenever the plugin is named,
so its module imports only the standard library and `ocr_trainer.plugin`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Self

from ocr_trainer.plugin.data_report import DataReport

API = 1
"""Version of this contract. A plugin states the version it was written for."""

REQUIRED: Any = "???"
"""Default of an option that the user must set."""


class Kind(Enum):
    """The kinds of plugins."""

    model = "model"
    dataset = "dataset"
    logger = "logger"
    task = "task"

    @property
    def group(self) -> str:
        """The entry-point group that plugins of this kind register in."""
        return f"ocr_trainer.{self.value}s"


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


def plugin_option(kind: Kind, task: Task | None = None) -> Any:
    """Declare an option that is itself a plugin, chosen by `name`; the other keys are its options.

    Args:
        kind: The kind of plugin.
        task: The task that a dataset must support; the task of the run's model if not given.
    """
    return field(default=REQUIRED, metadata={"plugin": kind, "task": task})


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


@dataclass
class LoggerConfig(Config):
    """The options that every logger has."""

    enabled: bool = True
    """Use the logger; `false` turns it off and keeps its options."""


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
    resume_step: int | None = None
    """Optimizer step, counted from 0, at which a resumed run continues; loggers continue from there."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """The description that all kinds of plugins share."""

    kind: ClassVar[Kind]

    api: int
    """Version of the contract that the plugin was written for: 1."""
    summary: str
    """One line for `list-plugins` and `describe`."""
    config: type[Config]
    """Class of the plugin's options."""
    factory: str
    """`package.module:attribute`, called as `factory(config, context)` when a run uses the plugin."""


@dataclass(frozen=True, kw_only=True)
class ModelPlugin(Plugin):
    """A model. Its factory returns a `torch.nn.Module` for its task.

    That is an `ocr_trainer.tasks.detection.Detector` or an `ocr_trainer.tasks.recognition.Recognizer`.
    """

    kind: ClassVar[Kind] = Kind.model

    task: Task
    """The task that the model learns."""
    tokenizer: str | None = None
    """For a recognizer with its own tokenizer: `package.module:attribute`, called before the model is built
    as `tokenizer(config, charset, texts)`, with the training texts. It returns a `Tokenizer` (of
    `ocr_trainer.tasks.recognition.tokenizer`), whose `state()` the factory gets as `context.tokenizer`."""


@dataclass(frozen=True)
class FormatSignature:
    """How to recognize a dataset's folder: a file, and a pattern in the first bytes of that file."""

    files: str
    """Glob relative to the folder, such as `annotations/*.json`."""
    content: str = ""
    """Regular expression to search for in the first 4 KiB of such a file."""


@dataclass(frozen=True, kw_only=True)
class DatasetPlugin(Plugin):
    """A dataset. Its factory returns an object with `train`, `val` and `test` splits.

    A split is a sequence, or `None` where there is none: of `ocr_trainer.data.types.Sample` for
    detection, of `TextImage` for recognition; `context.task` says which. A split whose `endless`
    attribute is true accepts any index from 0 up: every epoch requests `len(split)` new indices.
    A split may also have:

    - `files`, one `Path` per sample: training first checks their headers, and messages name them;
    - `name_of(index)`: the name of a sample in messages, where it has no file of its own;
    - `texts`, for recognition, one string per sample, read without decoding an image: they supply the
      charset, and characters missing from the charset are reported before training. A dataset whose texts
      are not known in advance may have `characters` instead, a string of all characters it can produce.
    """

    kind: ClassVar[Kind] = Kind.dataset

    tasks: tuple[Task, ...]
    """Tasks that the dataset supports."""
    signatures: tuple[FormatSignature, ...] = ()
    """Signatures of the format; one match is enough. A user who opens such a folder with another plugin gets
    a message that names this one."""


@dataclass(frozen=True, kw_only=True)
class LoggerPlugin(Plugin):
    """A logger. Its `config` derives from `LoggerConfig`; its factory returns a Lightning `Logger`.

    A logger with `log_image(key, images, step=..., caption=...)` also receives images. A logger with
    `close()` is closed when the run ends. An exception in a logger causes a warning and turns the logger
    off; a logger that fails without raising sets `failure: str | None` to the reason. Only rank zero writes.
    With `context.resume_step`, the logger continues the output of the earlier part of the run in the same
    folder and drops what that part wrote at this step and later.
    """

    kind: ClassVar[Kind] = Kind.logger


class Prediction(Enum):
    """What the models of a task give for an image, for `predict` and for end-to-end scores."""

    regions = "regions"
    """Where texts are on a page, as a `Detector` does."""
    text = "text"
    """The text of a word or line, as a `Recognizer` does."""


@dataclass(frozen=True, kw_only=True)
class TaskPlugin(Plugin):
    """A task: what models learn. Its `factory` is a class derived from `ocr_trainer.tasks.base.LearningTask`.

    A model or a dataset names the task, as in `Task("script")`. The model of a run chooses its task.
    """

    kind: ClassVar[Kind] = Kind.task

    config: type[Config] = Config
    """A task has no options of its own besides those of `run_config`."""
    run_config: str
    """`package.module:attribute` of the class of its runs' configuration: a dataclass derived from
    `ocr_trainer.config.schema.RunConfig`. The module is light, like the description's."""
    prediction: Prediction | None = None
    """What `predict` can do with its models; `None` for nothing."""


PLUGIN_TYPES: dict[Kind, type[Plugin]] = {
    t.kind: t for t in (ModelPlugin, DatasetPlugin, LoggerPlugin, TaskPlugin)
}

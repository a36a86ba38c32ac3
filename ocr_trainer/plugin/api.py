"""The contract between the core and every plugin, ours and a stranger's.

A plugin is a name, a few light lines that describe it, and a heavy module nobody opens until it
is chosen. The lines are a `Config` dataclass and one `ModelPlugin`, `DatasetPlugin` or
`LoggerPlugin` object, to which an entry point gives the name. They are imported whenever the
plugin is named, so the module that holds them imports nothing but the standard library and this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Self

API = 1
"""The version of this contract. A plugin states the one it was written for."""

REQUIRED: Any = "???"
"""The default of an option that the user must give."""


class Kind(Enum):
    """What a plugin can be."""

    model = "model"
    dataset = "dataset"
    logger = "logger"

    @property
    def group(self) -> str:
        """The entry-point group that plugins of this kind register in."""
        return f"ocr_trainer.{self.value}s"


class Task(Enum):
    """What a model learns, and what a dataset can teach."""

    detection = "detection"
    recognition = "recognition"


@dataclass(frozen=True)
class Bounds:
    """The numbers an option may take; `None` leaves a side open."""

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
        """Tell whether `value` lies within."""
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
    """Declare a numeric option with its limits; a list's limits hold for each element."""
    metadata = {"bounds": Bounds(at_least, above, at_most, below)}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def plugin_option(kind: Kind, task: Task | None = None) -> Any:
    """Declare an option that is a plugin itself: its `name` says which, the rest are its options.

    Args:
        kind: What it must be.
        task: What a dataset must offer; if not given, what the run's model does.
    """
    return field(default=REQUIRED, metadata={"plugin": kind, "task": task})


@dataclass
class Options:
    """A section of the configuration: typed fields with defaults, a docstring line under each.

    Types: int, float, bool, str, Path, Enum, `X | None`, list, dict, nested `Options`.
    """

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together, in the user's words."""
        yield from ()


def sections_option(kind: type[Options]) -> Any:
    """Declare a `dict[str, Any]` of sections of one type, at least one, under names of the user's choice."""
    return field(default_factory=dict, metadata={"sections": kind})


@dataclass
class Config(Options):
    """The options of a plugin."""

    name: str = ""
    """The name the plugin was chosen by; filled in, not set."""

    def without_init_weights(self) -> Self:
        """Return the options as a checkpoint keeps them: without what only a fresh start needs."""
        return self


@dataclass
class LoggerConfig(Config):
    """The options every logger has."""

    enabled: bool = True
    """Switch the logger off and keep its options."""


@dataclass(frozen=True)
class SkippedItem:
    """An image or a label that was left out, and why."""

    what: str  # "image" or "label"; "text": left out on purpose, which is no fault of the data
    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}"


@dataclass
class DataReport:
    """The account of what a dataset read and what it left out, so that nothing is dropped in silence."""

    images: int = 0
    labels: int = 0
    skipped: list[SkippedItem] = field(default_factory=list)

    def read(self, images: int = 0, labels: int = 0) -> None:
        """Count what was met, usable or not."""
        self.images += images
        self.labels += labels

    def skip_image(self, file: str | Path, reason: str) -> None:
        """Enter an image that cannot be used."""
        self.skipped.append(SkippedItem("image", str(file), None, reason))

    def skip_label(self, file: str | Path, line: int | None, reason: str) -> None:
        """Enter a label that cannot be used; `line` counts from 1."""
        self.skipped.append(SkippedItem("label", str(file), line, reason))


@dataclass(frozen=True)
class Context:
    """What the core tells a factory besides its options."""

    task: Task
    """What the run trains."""
    seed: int = 0
    """The run's seed: whatever is random follows from it."""
    folder: Path = Path()
    """The run's folder: whatever a plugin writes goes below it."""
    exp_name: str = "default"
    """What the user calls the run."""
    charset: str = ""
    """The characters that a recognizer is to tell apart, in the order of its outputs; NFC, each once."""
    data_report: DataReport = field(default_factory=DataReport)
    """Where a dataset enters what it reads and what it leaves out."""
    resume_step: int | None = None
    """The optimizer step at which a resumed run goes on, counted from 0: loggers go on there."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What every kind of plugin says of itself."""

    kind: ClassVar[Kind]

    api: int
    """The version of the contract it was written for: 1."""
    summary: str
    """One line for lists and help."""
    config: type[Config]
    """Its options."""
    factory: str
    """`package.module:attribute`, called as `factory(config, context)` once the plugin is chosen."""


@dataclass(frozen=True, kw_only=True)
class ModelPlugin(Plugin):
    """A model; its factory returns a `torch.nn.Module` of its task.

    That is an `ocr_trainer.tasks.detection.Detector` or an `ocr_trainer.tasks.recognition.Recognizer`.
    """

    kind: ClassVar[Kind] = Kind.model

    task: Task
    """What it learns."""


@dataclass(frozen=True)
class FormatSignature:
    """What a dataset's folder is known by: a file, and what stands in its beginning."""

    files: str
    """A glob relative to the folder, such as `annotations/*.json`."""
    content: str = ""
    """A regular expression that is searched in the first 4 KiB of such a file."""


@dataclass(frozen=True, kw_only=True)
class DatasetPlugin(Plugin):
    """A dataset; its factory returns an object with `train`, `val` and `test` splits.

    A split is a sequence, or `None` where there is none: of `ocr_trainer.data.types.Sample` for
    detection, of `TextImage` for recognition; `context.task` says which. A split whose `endless`
    attribute is true answers any index from 0 up: it is asked for new indices in every epoch,
    `len(split)` of them. What else a split may have:

    - `files`, one `Path` per sample: their headers are looked at before training, and messages name them;
    - `name_of(index)`: what the user knows a sample by, where that is no file of its own;
    - `texts`, for recognition, one string per sample, read without decoding an image: they give the
      charset, and what the charset lacks is told before training. A dataset whose texts are not known
      beforehand may have `characters` instead, a string of all that it can write.
    """

    kind: ClassVar[Kind] = Kind.dataset

    tasks: tuple[Task, ...]
    """What models can learn from it."""
    signatures: tuple[FormatSignature, ...] = ()
    """What a folder of its format is known by, any of them: who opens it as another is told of this one."""


@dataclass(frozen=True, kw_only=True)
class LoggerPlugin(Plugin):
    """A logger; its `config` derives from `LoggerConfig`, its factory returns a Lightning `Logger`.

    A logger that has `log_image(key, images, step=..., caption=...)` is given pictures, too; one that
    has `close()` is closed when the run is over. What it raises costs a warning, and it is off from then
    on; one that gives up without raising says why in `failure: str | None`. It is asked to write on rank
    zero alone. With `context.resume_step` it goes on with what an earlier part of the run has written in
    the same folder, and drops what that part wrote of this step and later.
    """

    kind: ClassVar[Kind] = Kind.logger


PLUGIN_TYPES: dict[Kind, type[Plugin]] = {t.kind: t for t in (ModelPlugin, DatasetPlugin, LoggerPlugin)}

"""The kinds of plugins: the description and the base of the options of each.

A kind is a member of `Kind` and a `Plugin` subclass here. Discovery, the configuration, the rules that allow
and deny, `list-plugins` and `describe` know kinds only through these declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from ocr_trainer.plugin.api import Config, Plugin, Task, option
from ocr_trainer.plugin.backbone import BackboneConfig
from ocr_trainer.plugin.kind import Kind


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModelPlugin(Plugin):
    """A model. Its factory returns a `torch.nn.Module` for its task.

    For detection, that is an `ocr_trainer.tasks.detection.Detector`; for recognition, an
    `ocr_trainer.tasks.recognition.Recognizer`; for another task, what its `LearningTask.model_type` says.
    """

    kind: ClassVar[Kind] = Kind.model
    group: ClassVar[str | None] = "model"
    result: ClassVar[str] = "torch.nn:Module"
    suite: ClassVar[str] = "ocr_trainer.testing:ModelSuite"

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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DatasetPlugin(Plugin):
    """A dataset. Its factory returns an object with `train`, `val` and `test` splits.

    A split is a sequence, or `None` where there is none: of `ocr_trainer.data.types.Sample` for
    detection, of `TextImage` for recognition; `context.task` says which. A split whose `endless`
    attribute is true accepts any index from 0 up: every epoch requests `len(split)` new indices.
    A split may also have:

    - `files`, one `Path` per sample: training first checks their headers, and messages name them;
    - `label_counts()`, for detection, a `Counter` of labels by why they are "don't care", with "" for those
      that count: a split in which none counts is refused before training;
    - `name_of(index)`: the name of a sample in messages, where it has no file of its own;
    - `texts`, for recognition, one string per sample, read without decoding an image: they supply the
      charset, and characters missing from the charset are reported before training. A dataset whose texts
      are not known in advance may have `characters` instead, a string of all characters it can produce.
    """

    kind: ClassVar[Kind] = Kind.dataset
    group: ClassVar[str | None] = "dataset"
    suite: ClassVar[str] = "ocr_trainer.testing:DatasetSuite"

    tasks: tuple[Task, ...]
    """Tasks that the dataset supports."""
    signatures: tuple[FormatSignature, ...] = ()
    """Signatures of the format; one match is enough. A user who opens such a folder with another plugin gets
    a message that names this one."""


@dataclass
class LoggerConfig(Config):
    """The options that every logger has."""

    enabled: bool = True
    """Use the logger; `false` turns it off and keeps its options."""


class LoggerPlugin(Plugin):
    """A logger. Its `config` derives from `LoggerConfig`; its factory returns a Lightning `Logger`.

    A logger with `log_image(key, images, step=..., caption=...)` also receives images. A logger with
    `close()` is closed when the run ends. An exception in a logger causes a warning and turns the logger
    off; a logger that fails without raising sets `failure: str | None` to the reason. Only rank zero writes.
    With `context.resume_step`, the logger continues the output of the earlier part of the run in the same
    folder and drops what that part wrote at this step and later.
    """

    kind: ClassVar[Kind] = Kind.logger
    config_base: ClassVar[type[Config]] = LoggerConfig
    group: ClassVar[str | None] = "logger"
    many: ClassVar[bool] = True
    result: ClassVar[str] = "lightning.pytorch.loggers:Logger"
    suite: ClassVar[str] = "ocr_trainer.testing:LoggerSuite"


class Nonfinite(Enum):
    """What to do with a training step whose loss or gradient is not finite."""

    stop = "stop"
    skip = "skip"


@dataclass
class OptimizerConfig(Config):
    """The options that every optimizer has."""

    lr: float = option(1e-3, above=0)
    """Peak learning rate."""
    weight_decay: float = option(1e-2, at_least=0)
    """Weight decay."""
    decay_norms: bool = False
    """Also apply weight decay to normalization weights and biases."""
    layer_decay: float = option(1.0, above=0, at_most=1)
    """Factor of the learning rate from each layer to the one below, for models that define their layers."""
    nonfinite: Nonfinite = Nonfinite.stop
    """What to do with a step whose loss or gradient is not finite: stop the run, or skip the step."""
    max_nonfinite: int = option(10, at_least=1)
    """With nonfinite=skip: abort after this many consecutive skipped steps."""


class OptimizerPlugin(Plugin):
    """An optimizer. Its factory returns a `torch.optim.Optimizer` of `context.parameter_groups`.

    It may split these groups, but keeps each parameter once. An optimizer that cannot optimize a group raises
    a `ValueError` when it is built.
    """

    kind: ClassVar[Kind] = Kind.optimizer
    config_base: ClassVar[type[Config]] = OptimizerConfig
    group: ClassVar[str | None] = "optimizer"
    result: ClassVar[str] = "torch.optim:Optimizer"
    suite: ClassVar[str] = "ocr_trainer.testing:OptimizerSuite"


@dataclass
class ScheduleConfig(Config):
    """The options that every learning rate schedule has."""

    warmup: float = option(0.05, at_least=0, below=1)
    """Fraction of the run's steps in which the learning rate rises to its peak."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SchedulePlugin(Plugin):
    """A learning rate schedule, per optimizer step.

    Its factory returns a function of the optimizer step, from 0, and the number of steps. It returns the
    learning rate at that step as a fraction of the peak, `optimizer.lr`: a finite number from 0 up. It keeps
    no state and warms up by itself: `ocr_trainer.optim.schedule.with_warmup` makes such a function.
    """

    kind: ClassVar[Kind] = Kind.schedule
    config_base: ClassVar[type[Config]] = ScheduleConfig
    group: ClassVar[str | None] = "schedule"
    result: ClassVar[str] = "collections.abc:Callable"
    suite: ClassVar[str] = "ocr_trainer.testing:ScheduleSuite"

    endless: bool = False
    """Whether it also works in a run without limit, with `math.inf` as the number of steps. In such runs, all
    other schedules keep the learning rate at its peak."""


class Stage(Enum):
    """When an augmentation comes, relative to the augmentation of the task, which crops and colors."""

    before = "before"
    after = "after"


@dataclass
class AugmentationConfig(Config):
    """The options that every augmentation has."""

    stage: Stage = Stage.before
    """Before or after the preset. In a list such as augment=[copy_paste,strong], the place in it decides."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AugmentationPlugin(Plugin):
    """An augmentation of training samples, besides that of the task.

    Its factory returns an `ocr_trainer.data.augmentation.Augmentation`.
    """

    kind: ClassVar[Kind] = Kind.augmentation
    config_base: ClassVar[type[Config]] = AugmentationConfig
    group: ClassVar[str | None] = "augment"
    many: ClassVar[bool] = True
    result: ClassVar[str] = "ocr_trainer.data.augmentation:Augmentation"
    suite: ClassVar[str] = "ocr_trainer.testing:AugmentationSuite"

    tasks: tuple[Task, ...]
    """Tasks whose samples it can vary."""

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options. The section `augment` also holds the task's own options."""
        return f"augment.steps.{name}"


class CallbackPlugin(Plugin):
    """A callback. Its factory returns a `lightning.pytorch.Callback`.

    Callbacks run in the order in which the user names them, before the state is saved. An exception ends the
    run with one message, after the last whole step is saved. What `state_dict` returns is restored when a run
    resumes; a checkpoint holds tensors, numbers, strings, None, and dictionaries, lists and tuples of them.
    """

    kind: ClassVar[Kind] = Kind.callback
    group: ClassVar[str | None] = "callback"
    many: ClassVar[bool] = True
    result: ClassVar[str] = "lightning.pytorch:Callback"
    suite: ClassVar[str] = "ocr_trainer.testing:CallbackSuite"


class BackbonePlugin(Plugin):
    """A backbone, chosen by an option of the model, such as `model.backbone.name=resnet50`.

    Its factory returns an `ocr_trainer.tasks.detection.Backbone`. The core loads the initial weights.
    """

    kind: ClassVar[Kind] = Kind.backbone
    config_base: ClassVar[type[Config]] = BackboneConfig
    result: ClassVar[str] = "ocr_trainer.tasks.detection:Backbone"
    suite: ClassVar[str] = "ocr_trainer.testing:BackboneSuite"

    @classmethod
    def choice(cls, name: str) -> str:
        """Return how a user chooses a backbone."""
        return f"model.backbone.name={name}"

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options."""
        return "model.backbone"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MetricPlugin(Plugin):
    """A metric that validation and test compute. Its factory returns an `ocr_trainer.metrics.base.Metric`."""

    kind: ClassVar[Kind] = Kind.metric
    group: ClassVar[str | None] = "metric"
    many: ClassVar[bool] = True
    result: ClassVar[str] = "ocr_trainer.metrics.base:Metric"
    suite: ClassVar[str] = "ocr_trainer.testing:MetricSuite"

    tasks: tuple[Task, ...]
    """Tasks whose predictions it can score."""
    scores: tuple[str, ...]
    """Names of the scores that it may compute; in a run, each follows the metric's name: `NAME_SCORE`."""
    lower_is_better: tuple[str, ...] = ()
    """Those of the scores that are better the lower they are."""

    def errors(self) -> Iterator[str]:
        """Yield the names of scores that cannot be used."""
        for score in self.scores:
            if not re.fullmatch(r"\w+", str(score), re.ASCII):
                yield f"the name of its score {score!r} must consist of letters, digits and underscores"
        for score in set(self.lower_is_better) - set(self.scores):
            yield f"lower_is_better names '{score}', which is not one of its scores"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WriterPlugin(Plugin):
    """A format of result files. Its factory returns an `ocr_trainer.results.writer.Writer`.

    An exception in a writer costs its file of that image only: it is reported, and the others are written.
    """

    kind: ClassVar[Kind] = Kind.writer
    result: ClassVar[str] = "ocr_trainer.results.writer:Writer"
    suite: ClassVar[str] = "ocr_trainer.testing:WriterSuite"

    suffix: str
    """Suffix that replaces that of the image, such as `.json`."""
    needs_text: bool = False
    """Whether the format is useless without a recognizer."""

    def __post_init__(self) -> None:
        """Refuse a suffix that is none.

        Raises:
            ValueError: It would not make a file beside the others.
        """
        if not re.fullmatch(r"(\.[\w-]+)+", self.suffix):
            raise ValueError(f"suffix={self.suffix!r} must be like '.json': a dot, then letters and digits")

    @classmethod
    def choice(cls, name: str) -> str:
        """Return how a user chooses a writer."""
        return f"ocr-train predict --format {name}"

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options, which are arguments of `ocr-train predict`."""
        return f"writer.{name}"


class CommandPlugin(Plugin):
    """A command of `ocr-train`. Its factory is called with the list of words after the command's name.

    It returns the exit status: 0, or 2 for an error. It raises an `OcrTrainerError` to end with a message.
    """

    kind: ClassVar[Kind] = Kind.command
    suite: ClassVar[str] = "ocr_trainer.testing:CommandSuite"

    @classmethod
    def choice(cls, name: str) -> str:
        """Return how a user calls a command."""
        return f"ocr-train {name}"


class Prediction(Enum):
    """What the models of a task give for an image, for `predict` and for end-to-end scores."""

    regions = "regions"
    """Where texts are on a page, as a `Detector` does."""
    text = "text"
    """The text of a word or line, as a `Recognizer` does."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TaskPlugin(Plugin):
    """A task: what models learn. Its `factory` is a class derived from `ocr_trainer.tasks.base.LearningTask`.

    A model or a dataset names the task, as in `Task("script")`. The model of a run chooses its task.
    """

    kind: ClassVar[Kind] = Kind.task
    result: ClassVar[str] = "ocr_trainer.tasks.base:LearningTask"
    suite: ClassVar[str] = "ocr_trainer.testing:TaskSuite"

    config: type[Config] = Config
    """A task has no options of its own besides those of `run_config`."""
    run_config: str
    """`package.module:attribute` of the class of its runs' configuration: a dataclass derived from
    `ocr_trainer.config.schema.RunConfig`. The module is light, like the description's."""
    prediction: Prediction | None = None
    """What `predict` can do with its models; `None` for nothing."""

    @classmethod
    def choice(cls, name: str) -> str:
        """Return how a user rules out one of several tasks of a name: the model chooses the task by name."""
        return f"plugins.deny=[task/{name}]"

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options: they are sections of the run itself."""
        return ""


PLUGIN_TYPES: dict[Kind, type[Plugin]] = {
    cls.kind: cls
    for cls in (
        *(ModelPlugin, DatasetPlugin, LoggerPlugin, OptimizerPlugin, SchedulePlugin, AugmentationPlugin),
        *(CallbackPlugin, BackbonePlugin, MetricPlugin, WriterPlugin, CommandPlugin, TaskPlugin),
    )
}
"""The class of each kind's descriptions. The kind `configs` has none: its entry points name packages."""
GROUPS: dict[str, Kind] = {cls.group: kind for kind, cls in PLUGIN_TYPES.items() if cls.group is not None}
"""The kind of the plugins that each config group chooses."""

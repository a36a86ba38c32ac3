"""The kinds of plugins: the class of descriptions and the base class of options of each.

A kind is a member of `Kind` and a `Plugin` subclass, here or in `training_kinds`. Discovery, the
configuration, the rules that allow and deny, `list-plugins` and `describe` know kinds only through these
declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from ocr_trainer.plugin.api import Config, Plugin, Task
from ocr_trainer.plugin.backbone import BackboneConfig
from ocr_trainer.plugin.kind import Kind
from ocr_trainer.plugin.training_kinds import (
    AugmentationPlugin,
    CallbackPlugin,
    LoggerPlugin,
    OptimizerPlugin,
    SchedulePlugin,
)
from ocr_trainer_runtime.options import FilePer as FilePer


@dataclass(frozen=True)
class Pretrained:
    """Published weights with which a model reads at once: its name is used like that of a checkpoint."""

    name: str
    """The name of the weights. A detector and a recognizer whose weights have one name are used together."""
    overrides: tuple[str, ...]
    """The overrides that load the weights, such as `("model.weights=rapidocr",)`."""


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """Weights that others have published, in a layout of their own, which `init_from=FILE` converts."""

    name: str
    """Who publishes them and of what, such as `baudm/parseq`."""
    source: str
    """Where to read about them and to download them: a URL."""
    file: str
    """Name of such a file, for examples."""
    license: str
    """License of the code that they come with."""
    data: str
    """What they were trained on, and what that data may be used for: a sentence."""
    layout: str
    """`package.module:attribute`, called as `layout(tensors)` with a dict of the file's tensors. It returns
    `None` if the names and shapes are not of this layout. Otherwise, it removes the tensors that it knows
    from the dict and returns an `ocr_trainer.checkpoint.published.Converted`. It raises a `ValueError` with
    the reason if the model cannot use weights of this layout."""


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
    charset: str | None = None
    """For a recognizer with published weights: `package.module:attribute`, called before the model is built
    as `charset(config)`. It returns the characters that the initial weights know, or "" if they are random.
    The charset of a run has them if its user names no characters."""
    pretrained: Pretrained | None = None
    """Published weights, for `predict` without a checkpoint and wherever a checkpoint is named."""
    architecture: tuple[str, ...] = ()
    """Options that decide what the tensors of the model are or mean, such as its size. With `init_from`,
    those that a run does not set are taken from the checkpoint."""
    published: tuple[PublishedWeights, ...] = ()
    """Weights of others that `init_from` can load."""

    def errors(self) -> Iterator[str]:
        """Yield what is wrong with the fields that only models have."""
        known = getattr(self.config, "__dataclass_fields__", {})
        for option in self.architecture:
            if option not in known:
                yield f"architecture names '{option}', which is not one of its options"
        if not all(isinstance(weights, PublishedWeights) for weights in self.published):
            yield "published has something other than PublishedWeights"


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
    - `label_counts()`, for detection, a `Counter` of the labels by the reason why they are "don't care", and
      "" for those that count: a run refuses a split in which none counts;
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
    """The scores for which lower is better."""

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

    If a writer raises an exception, the core reports it, omits that file, and writes all others.
    """

    kind: ClassVar[Kind] = Kind.writer
    result: ClassVar[str] = "ocr_trainer.results.writer:Writer"
    suite: ClassVar[str] = "ocr_trainer.testing:WriterSuite"

    suffix: str
    """Suffix that replaces that of the image, such as `.json`."""
    needs_text: bool = False
    """Whether the format is useless without a recognizer."""
    file_per: FilePer = FilePer.image
    """What a file belongs to. If not to one image, the writer has a method `join`."""

    def __post_init__(self) -> None:
        """Check the suffix.

        Raises:
            ValueError: It is not a dot followed by letters and digits.
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


class Prediction(Enum):
    """What the models of a task predict for an image, for `predict`, end-to-end scores and exports."""

    regions = "regions"
    """The outlines of the texts on a page, as from a `Detector`."""
    text = "text"
    """The text of a word or line, as from a `Recognizer`."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExporterPlugin(Plugin):
    """A format of exported models. Its factory returns an `ocr_trainer.exporting.exporter.Exporter`."""

    kind: ClassVar[Kind] = Kind.exporter
    result: ClassVar[str] = "ocr_trainer.exporting.exporter:Exporter"
    suite: ClassVar[str] = "ocr_trainer.testing:ExporterSuite"

    predictions: tuple[Prediction, ...] = (Prediction.regions, Prediction.text)
    """The models that the format is for, by what they predict."""

    @classmethod
    def choice(cls, name: str) -> str:
        """Return how a user chooses an exporter."""
        return f"ocr-train export --format {name}"

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options, which are arguments of `ocr-train export`."""
        return "exporter"


class CommandPlugin(Plugin):
    """A command of `ocr-train`. Its factory is called with the list of arguments after the command's name.

    It returns the exit status: 0, or 2 for an error. It raises an `OcrTrainerError` to end with a message.
    """

    kind: ClassVar[Kind] = Kind.command
    suite: ClassVar[str] = "ocr_trainer.testing:CommandSuite"

    @classmethod
    def choice(cls, name: str) -> str:
        """Return how a user calls a command."""
        return f"ocr-train {name}"


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
        """Return the rule that excludes one of several tasks of one name, since the model names the task."""
        return f"plugins.deny=[task/{name}]"

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options: they are sections of the run itself."""
        return ""


PLUGIN_TYPES: dict[Kind, type[Plugin]] = {
    cls.kind: cls
    for cls in (
        *(ModelPlugin, DatasetPlugin, LoggerPlugin, OptimizerPlugin, SchedulePlugin, AugmentationPlugin),
        *(CallbackPlugin, BackbonePlugin, MetricPlugin, WriterPlugin, ExporterPlugin, CommandPlugin),
        TaskPlugin,
    )
}
"""The class of each kind's descriptions. The kind `configs` has none: its entry points name packages."""
GROUPS: dict[str, Kind] = {cls.group: kind for kind, cls in PLUGIN_TYPES.items() if cls.group is not None}
"""The kind of the plugins that each config group chooses."""

"""The kinds of plugins that take part in training: what steers it, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from ocr_trainer.plugin.api import Config, Plugin, Task, option
from ocr_trainer.plugin.kind import Kind


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
    freeze: list[str] = field(default_factory=list)
    """Parts of the model that are not trained, such as backbone.stem; their BatchNorm stays as it is."""
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
    """When an augmentation runs, relative to that of the task, which crops and changes colors."""

    before = "before"
    after = "after"


@dataclass
class AugmentationConfig(Config):
    """The options that every augmentation has."""

    stage: Stage = Stage.before
    """Before or after the preset. In a list such as augment=[copy_paste,strong], the place in it decides."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AugmentationPlugin(Plugin):
    """An augmentation of training samples, in addition to that of the task.

    Its factory returns an `ocr_trainer.data.augmentation.Augmentation`.
    """

    kind: ClassVar[Kind] = Kind.augmentation
    config_base: ClassVar[type[Config]] = AugmentationConfig
    group: ClassVar[str | None] = "augment"
    many: ClassVar[bool] = True
    result: ClassVar[str] = "ocr_trainer.data.augmentation:Augmentation"
    suite: ClassVar[str] = "ocr_trainer.testing:AugmentationSuite"

    tasks: tuple[Task, ...]
    """Tasks whose samples it can augment."""

    @classmethod
    def section(cls, name: str) -> str:
        """Return the key of its options. The section `augment` also has the task's own options."""
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

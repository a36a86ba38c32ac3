"""The configuration of a run, typed. Every default of the core is written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from ocr_trainer.config.security import redact_config
from ocr_trainer.config.trainer import TrainerConfig
from ocr_trainer.plugin import REQUIRED, Config, Options, option


class OptimizerName(Enum):
    """The optimizers of torch.optim that a run can choose."""

    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class ScheduleName(Enum):
    """How the learning rate goes over a run."""

    constant = "constant"
    poly = "poly"
    cosine = "cosine"
    one_cycle = "one_cycle"


class Nonfinite(Enum):
    """What becomes of a training step whose loss or gradient is not finite."""

    stop = "stop"
    skip = "skip"


@dataclass
class OptimizerConfig(Options):
    """How weights are changed."""

    name: OptimizerName = OptimizerName.adamw
    """The algorithm: sgd, adam or adamw."""
    lr: float = option(1e-3, above=0)
    """The learning rate at its highest."""
    weight_decay: float = option(1e-2, at_least=0)
    """Pull of the weights towards zero (decoupled from the gradient in adamw only)."""
    decay_norms: bool = False
    """Decay the weights of norms and the biases, too."""
    momentum: float = option(0.9, at_least=0, below=1)
    """Momentum of sgd; the first beta of adam and adamw."""
    nonfinite: Nonfinite = Nonfinite.stop
    """A step whose loss or gradient is not finite ends the run (stop) or is passed over (skip)."""
    max_nonfinite: int = option(10, at_least=1)
    """With skip: so many steps passed over in a row end the run."""


@dataclass
class ScheduleConfig(Options):
    """How the learning rate goes over the optimizer's steps."""

    name: ScheduleName = ScheduleName.cosine
    """The curve after the warm-up: constant, poly, cosine, or one_cycle (which warms up along a cosine)."""
    warmup: float = option(0.05, at_least=0, below=1)
    """The share of the run in which the learning rate rises to its highest."""
    power: float = option(0.9, above=0)
    """The exponent of poly."""
    final: float = option(0.0, at_least=0, at_most=1)
    """The share of the learning rate that cosine and one_cycle end at."""


@dataclass
class EmaConfig(Options):
    """An exponential moving average of the weights, which is scored and saved in their place."""

    enabled: bool = False
    """Keep the average."""
    decay: float = option(0.998, above=0, below=1)
    """How much of the average each step keeps; lower in the first steps, so that short runs gain, too."""


@dataclass
class DataConfig(Options):
    """How samples reach the model."""

    batch_size: int | None = option(None, at_least=1)
    """Images per training step and device; left empty: 4 to detect text in, 64 to recognize."""
    eval_batch_size: int | None = option(None, at_least=1)
    """Images per scoring step, padded to the largest; left empty: 1 to detect text in, 64 to recognize."""
    num_workers: int | None = option(None, at_least=0)
    """Processes that prepare samples; left empty: half the processors, at most 8."""
    timeout: float = option(300.0, at_least=0)
    """Seconds to wait for a batch before the processes that prepare it count as hanging; 0 for no limit."""
    max_skipped: float = option(0.01, at_least=0, at_most=1)
    """The share of images, or of labels, that may be unusable before a run refuses to start."""
    check_images: int = option(2000, at_least=0)
    """How many images of a split have their headers looked at before training, evenly spread."""
    log_images: int = option(4, at_least=0)
    """How many scored images are drawn for the loggers after each validation."""


class Resume(Enum):
    """Whether a run goes on with an earlier one."""

    never = "never"
    auto = "auto"


@dataclass
class CheckpointConfig(Options):
    """When a run's state is kept, beside before each validation, at each epoch's end and on a signal."""

    every_n_steps: int | None = option(None, at_least=1)
    """After every so many optimizer steps."""
    every_minutes: float | None = option(15.0, above=0)
    """After so many minutes: what a run that is killed loses at most."""


@dataclass
class DistributedConfig(Options):
    """Processes that train together, one per device."""

    timeout: float = option(600.0, above=0)
    """Seconds to wait for another process, which may be dead or stuck, before the run ends (strategy=ddp)."""


@dataclass
class EarlyStoppingConfig(Options):
    """Ending a run that no longer gets better."""

    enabled: bool = False
    """End it."""
    patience: int = option(5, at_least=1)
    """After so many validations in a row that were no better than the best."""
    min_delta: float = option(0.0, at_least=0)
    """What counts as better, in points of the task's own figure (0 to 1)."""


@dataclass
class RunConfig(Options):
    """The configuration of a run, as far as all tasks share it; each task derives its own class."""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        *("model", "dataset", "seed", "ema", "optimizer.name", "data.batch_size", "exp_name", "output_dir"),
        *("trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.accumulate_grad_batches"),
        *("trainer.limit_train_batches", "trainer.overfit_batches"),
    )
    """Options that a resumed run cannot change: its weights and its place in the data depend on them."""

    model: Config = REQUIRED
    """The model plugin and its options."""
    dataset: Config = REQUIRED
    """The dataset plugin and its options."""
    logger: dict[str, Any] = field(default_factory=dict)
    """The logger plugins, each with its options under its name."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """How weights are changed."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """How the learning rate goes."""
    ema: EmaConfig = field(default_factory=EmaConfig)
    """Averaging of the weights."""
    data: DataConfig = field(default_factory=DataConfig)
    """How samples reach the model."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Lightning's Trainer."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    """When the state is kept."""
    distributed: DistributedConfig = field(default_factory=DistributedConfig)
    """Processes that train together."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    """Ending a run that no longer gets better."""
    init_from: Path | None = None
    """A checkpoint whose weights the model begins with, as far as they fit: fine-tuning."""
    resume: Resume = Resume.never
    """auto: go on with the newest run of the same name and configuration, if there is one."""
    exp_name: str = "default"
    """What the run is called; its folder lies below this name."""
    seed: int = option(0, at_least=0, below=2**32)
    """Whatever is random follows from it."""
    output_dir: Path = Path("runs")
    """Where run folders are made: `<output_dir>/<exp_name>/<time>/`."""

    def context(self) -> dict[str, Any]:
        """Return the fields of a plugin's `Context` that this configuration fills in."""
        return {}

    def obstacle(self, saved: Mapping[str, Any]) -> str | None:
        """Return why a checkpoint with the configuration `saved` cannot be resumed by this run, or `None`."""
        return None

    @classmethod
    def upgrade(cls, saved: dict[str, Any]) -> None:
        """Bring what is special to the task in a configuration of version 0.1 into today's form."""


def plain(value: Any) -> Any:
    """Return a configuration as dicts, lists, strings and numbers, as files and checkpoints keep it.

    References to the environment stand in it as they were given, and URLs without their credentials.
    """
    return redact_config(values(value))


def values(value: Any) -> Any:
    """Return a configuration as dicts, lists, strings and numbers, with all that a run knows."""
    if is_dataclass(value):
        return {field.name: values(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [values(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value

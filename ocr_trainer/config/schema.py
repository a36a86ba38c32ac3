"""The typed configuration of a run. Every default of the core is defined here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Self

from ocr_trainer.config.security import redact_config
from ocr_trainer.config.trainer import TrainerConfig
from ocr_trainer.plugin import (
    GROUPS,
    PLUGIN_TYPES,
    REQUIRED,
    Config,
    Kind,
    OptimizerConfig,
    Options,
    ScheduleConfig,
    option,
)


@dataclass
class EmaConfig(Options):
    """Exponential moving average (EMA) of the weights, which is scored and saved in their place."""

    enabled: bool = False
    """Maintain an exponential moving average of the weights."""
    decay: float = option(0.998, above=0, below=1)
    """Decay of the average per step; lower in the first steps, so that short runs benefit, too."""


@dataclass
class DataConfig(Options):
    """Options of data loading."""

    batch_size: int | None = option(None, at_least=1)
    """Images per training step and device; null: 4 for detection, 64 for recognition."""
    eval_batch_size: int | None = option(None, at_least=1)
    """Images per evaluation step, padded to the largest; null: 1 for detection, 64 for recognition."""
    num_workers: int | None = option(None, at_least=0)
    """Worker processes that load data; null: half the processors, at most 8."""
    timeout: float = option(300.0, at_least=0)
    """Seconds to wait for a batch before the worker processes count as hanging; 0 for no limit."""
    max_skipped: float = option(0.01, at_least=0, at_most=1)
    """Largest fraction of images, or of labels, that may be unusable; above it, a run refuses to start."""
    check_images: int = option(2000, at_least=0)
    """Number of images per split, evenly spread, whose headers are checked before training."""
    log_images: int = option(4, at_least=0)
    """Number of validation images to send to the loggers after each validation."""


class Resume(Enum):
    """Whether a run resumes an earlier one."""

    never = "never"
    auto = "auto"


@dataclass
class CheckpointConfig(Options):
    """When to save checkpoints, besides before each validation, at the end of each epoch and on a signal, and
    which one is the best."""

    every_n_steps: int | None = option(None, at_least=1)
    """Save after every this many optimizer steps."""
    every_minutes: float | None = option(15.0, above=0)
    """Save after this many minutes: the most that a killed run loses."""
    monitor: str | None = None
    """Score of the validation split that chooses the best checkpoint and stops early; null: that of the task,
    hmean for detection, ned_mean for recognition."""


@dataclass
class DistributedConfig(Options):
    """Distributed training, with one process per device."""

    timeout: float = option(600.0, above=0)
    """Seconds to wait for another process, dead or stuck, before the run aborts (strategy=ddp)."""


@dataclass
class EarlyStoppingConfig(Options):
    """Early stopping when validation no longer improves."""

    enabled: bool = False
    """Stop early."""
    patience: int = option(5, at_least=1)
    """Stop after this many consecutive validations without improvement."""
    min_delta: float = option(0.0, at_least=0)
    """Minimum improvement of the score that `checkpoint.monitor` names."""


@dataclass
class InitFromConfig(Options):
    """Weights to start from (fine-tuning); `init_from=FILE` is short for `init_from.path=FILE`."""

    path: Path | None = None
    """Checkpoint, or published weights: `ocr-train describe model NAME` lists those that a model can load."""
    partial: bool = False
    """Load the tensors that fit, even if they are less than nine tenths or the architecture differs."""
    explicit: list[str] = field(default_factory=list)
    """Options that the run sets, so that they are not taken from the checkpoint. The core fills it in."""


SHORTHANDS = {"init_from": "path"}
"""Sections that a single value may stand for, and the option of the section that it then is."""


def expand_shorthands(config: MutableMapping[Any, Any]) -> None:
    """Turn single values of a configuration into the sections that they stand for, in place."""
    for section, key in SHORTHANDS.items():
        if section in config and not isinstance(config[section], Mapping):
            config[section] = {key: config[section]}


@dataclass
class RunConfig(Options):
    """The configuration that the runs of all tasks share; each task derives its own class."""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        *("model", "dataset", "seed", "ema", "optimizer", "data.batch_size", "exp_name", "output_dir"),
        *("trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.accumulate_grad_batches"),
        *("trainer.limit_train_batches", "trainer.overfit_batches"),
    )
    """Options that a resumed run cannot change: its weights and its position in the data depend on them."""
    CHANGEABLE: ClassVar[tuple[str, ...]] = (
        *("optimizer.lr", "optimizer.weight_decay", "optimizer.momentum"),
        *("optimizer.nonfinite", "optimizer.max_nonfinite"),
    )
    """Exceptions: other options of an optimizer may divide the parameters into other groups."""

    METRICS: ClassVar[tuple[str, ...]] = ()
    """Metrics that every run of the task has. The first is the main one: its scores have no prefix."""
    MONITOR: ClassVar[str] = ""
    """The score that chooses the best checkpoint if `checkpoint.monitor` names no other."""

    model: Config = REQUIRED
    """Model plugin and its options."""
    dataset: Config = REQUIRED
    """Dataset plugin and its options."""
    logger: dict[str, Any] = field(default_factory=dict)
    """Logger plugins; each has its options under its name."""
    optimizer: OptimizerConfig = REQUIRED
    """Optimizer plugin and its options."""
    schedule: ScheduleConfig = REQUIRED
    """Learning rate schedule plugin and its options."""
    callback: dict[str, Any] = field(default_factory=dict)
    """Callback plugins; each has its options under its name."""
    metric: dict[str, Any] = field(default_factory=dict)
    """Metric plugins besides those of the task; each has its options under its name."""
    ema: EmaConfig = field(default_factory=EmaConfig)
    """Moving average of the weights."""
    data: DataConfig = field(default_factory=DataConfig)
    """Data loading."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Lightning's Trainer."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    """Checkpoints."""
    distributed: DistributedConfig = field(default_factory=DistributedConfig)
    """Distributed training."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    """Early stopping when validation no longer improves."""
    init_from: InitFromConfig = field(default_factory=InitFromConfig)
    """Weights to start from."""
    resume: Resume = Resume.never
    """auto: resume the newest run of the same name and configuration, if there is one."""
    exp_name: str = "default"
    """Name of the run, and of the folder that contains its run directory."""
    seed: int = option(0, at_least=0, below=2**32)
    """Random seed."""
    output_dir: Path = Path("runs")
    """Parent of run directories: `<output_dir>/<exp_name>/<time>/`."""

    def __str__(self) -> str:
        """Return the configuration as YAML."""
        import yaml

        # The C dumper is ten times as fast, which matters for `check`.
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text: str = yaml.dump(plain(self), Dumper=dumper, sort_keys=False, allow_unicode=True)
        return text

    def plugins(self) -> Iterator[tuple[str, Kind, Any]]:
        """Yield key, kind and section of each plugin that the run's config groups choose."""
        for group, kind in GROUPS.items():
            if not PLUGIN_TYPES[kind].many:
                yield group, kind, getattr(self, group)
                continue
            *parents, _ = PLUGIN_TYPES[kind].section("").split(".")
            section: Any = self
            for name in parents:
                section = getattr(section, name, {})
            for name, options in section.items():
                yield PLUGIN_TYPES[kind].section(name), kind, options

    def context(self) -> dict[str, Any]:
        """Return the fields of a plugin's `Context` that this configuration fills in."""
        return {}

    def obstacle(self, saved: Mapping[str, Any]) -> str | None:
        """Return why a checkpoint with the configuration `saved` cannot be resumed by this run, or `None`."""
        return None

    def resumed(self, saved: Mapping[str, Any]) -> Self:
        """Return the configuration for resuming from a checkpoint, whose weights replace initial ones.

        Args:
            saved: The configuration in the checkpoint.
        """
        return self.without_init_weights()

    def without_init_weights(self) -> Self:
        """Return the configuration without the weights that training begins with: a checkpoint has others."""
        return replace(self, model=self.model.without_init_weights(), init_from=InitFromConfig())

    @classmethod
    def upgrade(cls, saved: dict[str, Any]) -> None:
        """Convert the task's own sections of a version 0.1 configuration to the current names, in place."""


def plain(value: Any) -> Any:
    """Return a configuration as dicts, lists, strings and numbers, for files and checkpoints.

    References to environment variables stay unresolved, and URLs lose their credentials.
    """
    return redact_config(values(value))


def values(value: Any) -> Any:
    """Return a configuration as dicts, lists, strings and numbers, with environment variables resolved."""
    if is_dataclass(value):
        return {field.name: values(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [values(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value

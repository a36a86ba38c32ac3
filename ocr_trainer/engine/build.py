"""From the configuration to objects: dataset, model, loggers, Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ocr_trainer.checkpoint.callback import CheckpointCallback, CheckpointFileIO
from ocr_trainer.config.schema import RunConfig, TrainerConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.engine.callbacks.progress import Progress
from ocr_trainer.engine.distributed import RestartableDDPStrategy
from ocr_trainer.engine.loggers import SafeLogger
from ocr_trainer.errors import ConfigError
from ocr_trainer.optim.ema import WeightEma
from ocr_trainer.plugin import Context, DataReport, Kind, LoggerConfig, ModelPlugin, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.tasks.base import task_class

if TYPE_CHECKING:
    from ocr_trainer.data.split import Splits

DDP, DDP_UNUSED = "ddp", "ddp_find_unused_parameters_true"
"""Lightning's names of the strategies that take our timeout; the latter allows for unused parameters."""


def context(run: RunConfig, folder: Path, resume_step: int | None = None) -> Context:
    """Return what factories are told beside their options."""
    description = discovery.load(Kind.model, run.model.name)
    assert isinstance(description, ModelPlugin)
    return Context(
        task=description.task,
        seed=run.seed,
        folder=folder,
        exp_name=run.exp_name,
        **run.context(),
        data_report=DataReport(),
        resume_step=resume_step,
    )


def build_model(run: RunConfig, context: Context) -> Any:
    """Import the run's model plugin and build the model.

    Raises:
        PluginBroken: The module cannot be imported, or its factory returns something else.
    """
    return build(Kind.model, run.model, context, task_class(context.task).model_type)


def build_loggers(run: RunConfig, context: Context) -> list[Logger]:
    """Make the loggers that are enabled, in the first process; none if barebones. Errors are contained.

    Raises:
        OcrTrainerError: An option of a logger is wrong, or a plugin cannot serve.
    """
    if run.trainer.barebones or not is_rank_zero():
        return []
    configs: list[LoggerConfig] = [config for config in run.logger.values() if config.enabled]
    return [
        SafeLogger(
            discovery.find(Kind.logger, config.name), partial(build, Kind.logger, config, context, Logger)
        )
        for config in configs
    ]


@dataclass(frozen=True)
class Loaders:
    """The loaders of a run, and which split the test is on."""

    train: Loader
    val: Loader | None
    calibrate: Loader | None
    """Some of val."""
    test: Loader | None
    test_split: str | None
    train_images: int

    def samples(self) -> dict[str, int]:
        """Return how many samples each split has."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {name: len(one.dataset) for name, one in splits.items() if one is not None}  # type: ignore[arg-type]

    def all(self) -> list[Loader]:
        """Return those that there are."""
        return [one for one in (self.train, self.val, self.calibrate, self.test) if one is not None]


def build_loaders(run: RunConfig, model: Any, context: Context, splits: Splits) -> Loaders:
    """Make the loaders of a run."""
    kind, val = task_class(context.task), splits.val
    return Loaders(
        train=kind.training_loader(splits.train, model, run),
        val=kind.scoring_loader(val, model, run) if val is not None else None,
        calibrate=kind.calibration_loader(val, model, run) if val is not None else None,
        test=kind.scoring_loader(splits.test, model, run) if splits.test is not None else None,
        test_split=splits.test_split,
        train_images=len(splits.train),
    )


def build_checkpoint_callback(run: RunConfig, folder: Path, monitor: str) -> CheckpointCallback:
    """Return what keeps the run's state; nothing of it where no checkpoints are wanted."""
    kept = run.trainer.enable_checkpointing is not False and not run.trainer.barebones
    return CheckpointCallback(folder / "checkpoints" if kept else None, run.checkpoint, monitor)


def early_stopping(run: RunConfig, monitor: str, scored: bool) -> list[Callback]:
    """Return what ends a run that no longer gets better, if it is wanted.

    Raises:
        ConfigError: There is no score to go by.
    """
    config = run.early_stopping
    if not config.enabled:
        return []
    if not scored:
        raise ConfigError("early_stopping.enabled=true goes by the scores of a val split, but there is none")
    return [Patience(monitor, config.min_delta, config.patience, mode="max", check_on_train_epoch_end=False)]


class Patience(EarlyStopping):
    """Early stopping that counts on where the run was resumed, with the patience asked for now."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take all but the patience from the checkpoint."""
        super().load_state_dict(state_dict | {"patience": self.patience})


def build_trainer(
    run: RunConfig, loaders: Loaders, loggers: Sequence[Logger], callbacks: Sequence[Callback], folder: Path
) -> Trainer:
    """Make Lightning's Trainer from the options of its own names."""
    options = {field.name: getattr(run.trainer, field.name) for field in fields(TrainerConfig)}
    for split in ("train", "val", "test"):
        name, loader = f"limit_{split}_batches", getattr(loaders, split)
        options[name] = at_least_one_batch(options[name], len(loader)) if loader is not None else 0
    # The keeper serves instead.
    options["enable_checkpointing"] = False
    if run.trainer.barebones:
        # Lightning takes nothing that logs beside it, not even its own defaults.
        options |= dict.fromkeys(("log_every_n_steps", "enable_progress_bar", "enable_model_summary"))
    shown = options["enable_progress_bar"] is not False and not run.trainer.barebones
    averaging = [WeightEma(run.ema)] if run.ema.enabled else []
    if run.trainer.strategy in (DDP, DDP_UNUSED):
        options["strategy"] = RestartableDDPStrategy(
            timeout=timedelta(seconds=run.distributed.timeout),
            find_unused_parameters=run.trainer.strategy == DDP_UNUSED,
        )
    return make_trainer(
        **options,
        logger=list(loggers) or False,
        callbacks=[*averaging, *([Progress()] if shown else []), *callbacks],
        plugins=[CheckpointFileIO()],
        default_root_dir=folder,
    )


def make_trainer(**options: Any) -> Trainer:
    """Make Lightning's Trainer.

    Raises:
        ConfigError: An option of it is not to be had here, such as a GPU.
    """
    try:
        return Trainer(**options)
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(f"this run cannot start: one of trainer.* does not fit: {error}") from error


def at_least_one_batch(limit: int | float | None, batches: int) -> int | float | None:
    """Return a limit as Lightning takes it; a share that comes to less than one batch is one."""
    return 1 if isinstance(limit, float) and 0 < limit * batches < 1 else limit

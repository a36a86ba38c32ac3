"""Build the parts of a run from its configuration: model, data loaders, loggers, callbacks, Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, ProgressBar
from lightning.pytorch.loggers import Logger

from ocr_trainer.checkpoint.callback import CheckpointCallback, CheckpointFileIO
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.scores import monitor_of
from ocr_trainer.config.trainer import TrainerConfig
from ocr_trainer.data.loader import Loader
from ocr_trainer.engine.callbacks.guard import CallbackGuard
from ocr_trainer.engine.callbacks.progress import Progress
from ocr_trainer.engine.distributed import RestartableDDPStrategy
from ocr_trainer.engine.loggers import SafeLogger
from ocr_trainer.engine.trainer_options import check_interval, make_trainer, profiler, show_model_summary
from ocr_trainer.errors import ConfigError
from ocr_trainer.internals.lightning import after_each_batch
from ocr_trainer.optim.ema import WeightEma
from ocr_trainer.plugin import Context, Kind, LoggerConfig, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.tasks.base import task_class

if TYPE_CHECKING:
    from ocr_trainer.data.split import Splits

DDP, DDP_UNUSED = "ddp", "ddp_find_unused_parameters_true"
"""Lightning's names of the strategies that `RestartableDDPStrategy` replaces; the second allows unused
parameters."""


def build_model(run: RunConfig, context: Context) -> Any:
    """Import the run's model plugin and build the model.

    Raises:
        PluginBroken: The module cannot be imported, or its factory does not return the task's model type.
    """
    return build(Kind.model, run.model, context, task_class(context.task).model_type)


def build_loggers(run: RunConfig, context: Context) -> list[Logger]:
    """Return the enabled loggers, each in a `SafeLogger`. Other processes and barebones runs have none.

    Raises:
        OcrTrainerError: An option of a logger is invalid, or its plugin cannot be used.
    """
    if run.trainer.barebones or not is_rank_zero():
        return []
    configs: list[LoggerConfig] = [config for config in run.logger.values() if config.enabled]
    return [
        SafeLogger(discovery.find(Kind.logger, config.name), partial(build, Kind.logger, config, context))
        for config in configs
    ]


@dataclass(frozen=True)
class Loaders:
    """The data loaders of a run."""

    train: Loader
    val: Loader | None
    calibrate: Loader | None
    """A part of val."""
    test: Loader | None
    test_split: str | None
    """The name of the split that `test` loads."""
    train_images: int

    def samples(self) -> dict[str, int]:
        """Return the number of samples of each split."""
        loaders = {"train": self.train, "val": self.val, "test": self.test}
        return {name: len(loader.dataset) for name, loader in loaders.items() if loader is not None}  # type: ignore[arg-type]

    def all(self) -> list[Loader]:
        """Return all loaders that exist."""
        loaders = (self.train, self.val, self.calibrate, self.test)
        return [loader for loader in loaders if loader is not None]


def build_loaders(run: RunConfig, model: Any, context: Context, splits: Splits) -> Loaders:
    """Return the data loaders of a run."""
    kind, val = task_class(context.task), splits.val
    return Loaders(
        train=kind.training_loader(splits.train, model, run, context),
        val=kind.scoring_loader(val, model, run) if val is not None else None,
        calibrate=kind.calibration_loader(val, model, run) if val is not None else None,
        test=kind.scoring_loader(splits.test, model, run) if splits.test is not None else None,
        test_split=splits.test_split,
        train_images=len(splits.train),
    )


def build_callbacks(run: RunConfig, context: Context) -> list[CallbackGuard]:
    """Return the callbacks that plugins provide, in the order in which the user names them.

    Raises:
        OcrTrainerError: An option is invalid, a plugin cannot be used, or it provides what the trainer does.
    """
    guards = []
    for config in run.callback.values():
        plugin = discovery.find(Kind.callback, config.name)
        callback: Callback = build(Kind.callback, config, context)
        if isinstance(callback, Checkpoint):
            raise discovery.broken(
                plugin, "it writes checkpoints, which the trainer does itself: see checkpoint.every_n_steps"
            )
        guards.append(CallbackGuard(plugin, callback, context.folder))
    return guards


def build_checkpoint_callback(run: RunConfig, folder: Path) -> CheckpointCallback:
    """Return the checkpoint callback. Without checkpoints, it still ends the run on signals."""
    enabled = run.trainer.enable_checkpointing is not False and not run.trainer.barebones
    return CheckpointCallback(
        folder / "checkpoints" if enabled else None, run.checkpoint, rescue=bool(run.callback)
    )


def early_stopping(run: RunConfig, scored: bool) -> list[Callback]:
    """Return the early stopping callback in a list, which is empty if early stopping is off.

    Args:
        run: The run's configuration.
        scored: Whether the run has a val split.

    Raises:
        ConfigError: An option needs the scores of the val split, but there is none.
    """
    config, wanted, monitor = run.early_stopping, run.checkpoint.monitor, monitor_of(run)
    for given, needed in (
        (config.enabled, "early_stopping.enabled=true"),
        (wanted, f"checkpoint.monitor={wanted}"),
    ):
        if given and not scored:
            raise ConfigError(f"{needed} needs the scores of a val split, but there is none")
    if not config.enabled:
        return []
    # A score that is not finite is no improvement, and no reason to stop.
    options = {"check_on_train_epoch_end": False, "check_finite": False}
    return [Patience(monitor.key, config.min_delta, config.patience, mode=monitor.mode, **options)]


class Patience(EarlyStopping):
    """Early stopping whose count resumes, but whose patience is that of the current configuration."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore all but the patience."""
        super().load_state_dict(state_dict | {"patience": self.patience})


def build_trainer(
    run: RunConfig, loaders: Loaders, loggers: Sequence[Logger], callbacks: Sequence[Callback], folder: Path
) -> Trainer:
    """Return Lightning's Trainer, configured by the section `trainer`, whose options have Lightning's names.

    Raises:
        ConfigError: Lightning does not accept an option.
    """
    options = {field.name: getattr(run.trainer, field.name) for field in fields(TrainerConfig)}
    for split in ("train", "val", "test"):
        name, loader = f"limit_{split}_batches", getattr(loaders, split)
        options[name] = at_least_one_batch(options[name], len(loader)) if loader is not None else 0
    check_interval(run.trainer, batches_of_epoch(options["limit_train_batches"], len(loaders.train)))
    options["profiler"] = profiler(run.trainer.profiler, folder)
    show_model_summary(run.trainer)
    # CheckpointCallback replaces Lightning's ModelCheckpoint.
    options["enable_checkpointing"] = False
    if run.trainer.barebones:
        # With barebones, Lightning refuses explicit values of these, even its own defaults.
        options |= dict.fromkeys(("log_every_n_steps", "enable_progress_bar", "enable_model_summary"))
    # A progress bar of a plugin replaces ours.
    given = any(isinstance(callback, ProgressBar) for callback in callbacks)
    shown = options["enable_progress_bar"] is not False and not run.trainer.barebones and not given
    averaging = [WeightEma(run.ema)] if run.ema.enabled else []
    if run.trainer.strategy in (DDP, DDP_UNUSED):
        options["strategy"] = RestartableDDPStrategy(
            timeout=timedelta(seconds=run.distributed.timeout),
            find_unused_parameters=run.trainer.strategy == DDP_UNUSED,
        )
    trainer = make_trainer(
        **options,
        logger=list(loggers) or False,
        callbacks=[*averaging, *([Progress()] if shown else []), *callbacks],
        plugins=[CheckpointFileIO()],
        default_root_dir=folder,
    )
    for callback in callbacks:
        if isinstance(callback, CheckpointCallback):
            after_each_batch(trainer, callback.after_batch)
    return trainer


def at_least_one_batch(limit: int | float | None, batches: int) -> int | float | None:
    """Return a limit of batches, or 1 for a share of less than one batch, which Lightning refuses."""
    return 1 if isinstance(limit, float) and 0 < limit * batches < 1 else limit


def batches_of_epoch(limit: int | float | None, batches: int) -> int:
    """Return how many of the batches of an epoch a limit leaves."""
    if limit is None:
        return batches
    return int(limit * batches) if isinstance(limit, float) else min(limit, batches)

"""From the configuration to objects: dataset, model, loggers, Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from ocr_trainer import discovery
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Config, Context, Kind, Ledger, LoggerConfig, ModelPlugin
from ocr_trainer.schema import RunConfig, TrainerConfig
from ocr_trainer.training.optim import WeightEma
from ocr_trainer.training.progress import Progress
from ocr_trainer.training.task import task_class

if TYPE_CHECKING:
    from ocr_trainer.training.splits import Splits


def context(run: RunConfig, folder: Path) -> Context:
    """Return what factories are told beside their options."""
    description = discovery.load(Kind.model, run.model.name)
    assert isinstance(description, ModelPlugin)
    return Context(
        task=description.task,
        seed=run.seed,
        folder=folder,
        exp_name=run.exp_name,
        charset=run.charset.characters,
        ledger=Ledger(),
    )


def build(kind: Kind, config: Config, context: Context) -> Any:
    """Import a plugin's heavy module and make what it offers.

    Raises:
        PluginBroken: The module cannot be imported, or what it makes is not of its kind.
    """
    made = discovery.resolve(kind, config.name)(config, context)
    if not _fits(kind, made, context):
        reason = f"its factory makes a {type(made).__name__}, which does not serve as a {kind.value}"
        raise discovery.broken(discovery.find(kind, config.name), reason)
    return made


def _fits(kind: Kind, made: object, context: Context) -> bool:
    if kind is Kind.dataset:
        return all(hasattr(made, split) for split in ("train", "val", "test"))
    return isinstance(made, task_class(context.task).model_type if kind is Kind.model else Logger)


def build_loggers(run: RunConfig, context: Context) -> list[Logger]:
    """Make the loggers that are enabled; a barebones run has none."""
    if run.trainer.barebones:
        return []
    configs: list[LoggerConfig] = list(run.logger.values())
    return [build(Kind.logger, config, context) for config in configs if config.enabled]


@dataclass(frozen=True)
class Loaders:
    """The loaders of a run, and which split the test is on."""

    train: DataLoader[Any]
    val: DataLoader[Any] | None
    calibrate: DataLoader[Any] | None
    """Some of val."""
    test: DataLoader[Any] | None
    test_split: str | None
    train_images: int


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


def keepers(run: RunConfig, folder: Path, monitor: str, scored: bool) -> list[ModelCheckpoint]:
    """Return what writes `best.ckpt`, where there is a score to go by, and `last.ckpt`."""
    if run.trainer.enable_checkpointing is False or run.trainer.barebones:
        return []
    place: dict[str, Any] = {"dirpath": folder / "checkpoints", "enable_version_counter": False}
    # After validation, and only then, is there a score to go by.
    best = ModelCheckpoint(
        filename="best", monitor=monitor, mode="max", save_on_train_epoch_end=False, **place
    )
    last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **place)
    return [best, last] if scored else [last]


def build_trainer(
    run: RunConfig, loaders: Loaders, loggers: Sequence[Logger], callbacks: Sequence[Callback], folder: Path
) -> Trainer:
    """Make Lightning's Trainer from the options of its own names."""
    options = {field.name: getattr(run.trainer, field.name) for field in fields(TrainerConfig)}
    for split in ("train", "val", "test"):
        name, loader = f"limit_{split}_batches", getattr(loaders, split)
        options[name] = whole(options[name], len(loader)) if loader is not None else 0
    if run.trainer.barebones:
        # Lightning takes nothing that logs beside it, not even its own defaults.
        options |= dict.fromkeys(("log_every_n_steps", "enable_progress_bar", "enable_model_summary"))
    shown = options["enable_progress_bar"] is not False and not run.trainer.barebones
    averaging = [WeightEma(run.ema)] if run.ema.enabled else []
    return make_trainer(
        **options,
        logger=list(loggers) or False,
        callbacks=[*averaging, *([Progress()] if shown else []), *callbacks],
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


def whole(limit: int | float | None, batches: int) -> int | float | None:
    """Return a limit as Lightning takes it; a share that comes to less than one batch is one."""
    return 1 if isinstance(limit, float) and 0 < limit * batches < 1 else limit

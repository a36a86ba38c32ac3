"""From the configuration to objects: dataset, model, loggers, Trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from ocr_trainer import discovery
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.formats.images import check_image
from ocr_trainer.plugin import Config, Context, Kind, Ledger, LoggerConfig, ModelPlugin
from ocr_trainer.schema import RunConfig, TrainerConfig
from ocr_trainer.training import data
from ocr_trainer.training.detection import Detector
from ocr_trainer.training.optim import WeightEma
from ocr_trainer.training.progress import Progress


def context(run: RunConfig, folder: Path) -> Context:
    """Return what factories are told beside their options."""
    description = discovery.load(Kind.model, run.model.name)
    assert isinstance(description, ModelPlugin)
    return Context(
        task=description.task, seed=run.seed, folder=folder, exp_name=run.exp_name, ledger=Ledger()
    )


def build(kind: Kind, config: Config, context: Context) -> Any:
    """Import a plugin's heavy module and make what it offers.

    Raises:
        PluginBroken: The module cannot be imported, or what it makes is not of its kind.
    """
    made = discovery.resolve(kind, config.name)(config, context)
    if not _fits(kind, made):
        reason = f"its factory makes a {type(made).__name__}, which does not serve as a {kind.value}"
        raise discovery.broken(discovery.find(kind, config.name), reason)
    return made


def _fits(kind: Kind, made: object) -> bool:
    if kind is Kind.dataset:
        return all(hasattr(made, split) for split in ("train", "val", "test"))
    return isinstance(made, Detector if kind is Kind.model else Logger)


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


def build_loaders(run: RunConfig, model: Detector, context: Context) -> Loaders:
    """Open the splits that the run uses, and refuse those that cannot be used.

    Raises:
        DataError: A split is missing or empty, or too much of it is unusable.
    """
    opened = _opener(run, context)
    train = opened("train")
    if train is None:
        raise DataError(f"dataset={run.dataset.name} has no train split: there is nothing to train on")
    val = opened("val") if run.trainer.limit_val_batches != 0 else None
    test_split, test = _test_split(opened) if run.trainer.limit_test_batches != 0 else (None, None)
    return Loaders(
        train=data.training_loader(train, model, run),
        val=data.scoring_loader(val, model, run) if val is not None else None,
        calibrate=data.calibration_loader(val, model, run) if val is not None else None,
        test=data.scoring_loader(test, model, run) if test is not None else None,
        test_split=test_split,
        train_images=len(train),
    )


def test_loader(run: RunConfig, model: Detector, context: Context) -> tuple[str, DataLoader[Any]]:
    """Open the split to test on, alone; return its name and loader.

    Raises:
        DataError: There is none, or it cannot be used.
    """
    name, split = _test_split(_opener(run, context))
    if name is None:
        raise DataError(f"dataset={run.dataset.name} has neither a test nor a val split")
    return name, data.scoring_loader(split, model, run)


Opener = Callable[[str], Any]


def _opener(run: RunConfig, context: Context) -> Opener:
    """Return what opens a split of the run's dataset: once, so that what it skips is counted once."""
    try:
        dataset = build(Kind.dataset, run.dataset, context)
    except DataError as error:
        raise DataError(f"{error}{_other_readers(run.dataset)}") from error

    def opened(name: str) -> Any:
        try:
            return _split(run, context, dataset, name)
        except DataError as error:
            raise DataError(f"{error}{_other_readers(run.dataset)}") from error

    return cache(opened)


def _other_readers(config: Config) -> str:
    """Say which other plugins know the dataset's folder, if there are any."""
    root = getattr(config, "root", None)
    if not isinstance(root, Path) or not root.is_dir():
        return ""
    others = [name for name in discovery.readers(root) if name != config.name]
    if not others or config.name in discovery.readers(root):
        return ""
    return "".join(
        f"\n  the folder looks like another format: dataset={n} dataset.root={root}" for n in others
    )


def _test_split(opened: Opener) -> tuple[str | None, Any]:
    """Open the test split, or val where there is none; the report says which."""
    for name in ("test", "val"):
        if (split := opened(name)) is not None:
            return name, split
    return None, None


def _split(run: RunConfig, context: Context, dataset: Any, name: str) -> Any:
    """Open one split and look at its images' headers."""
    split = getattr(dataset, name)
    if split is None:
        return None
    files = getattr(split, "files", None)
    if files and run.data.check_images:
        _look_at(files, run, context.ledger)
    refuse_unusable(context.ledger, run)
    if not len(split):
        raise DataError(f"the {name} split of dataset={run.dataset.name} is empty{_skips(context.ledger)}")
    return split


def _look_at(files: Sequence[Path], run: RunConfig, ledger: Ledger) -> None:
    """Look at the headers of `data.check_images` files, evenly spread; stop if too many are broken."""
    chosen = files[:: max(1, math.ceil(len(files) / run.data.check_images))]
    broken = [(file, reason) for file in chosen if (reason := check_image(Path(file)))]
    for file, reason in broken:
        ledger.skip_image(file, reason)
    if len(broken) > run.data.max_skipped * len(chosen):
        raise DataError(
            f"{len(broken)} of {len(chosen)} images that were looked at cannot be used, more than "
            f"data.max_skipped={run.data.max_skipped:g} allows{_skips(ledger)}"
        )


def refuse_unusable(ledger: Ledger, run: RunConfig) -> None:
    """Stop before training if more of the data is unusable than `data.max_skipped` allows."""
    for what, total in (("image", ledger.images), ("label", ledger.labels)):
        skipped = sum(entry.what == what for entry in ledger.skipped)
        # A dataset that enters what it skips, but not what it reads, is judged by the headers alone.
        if total and skipped > run.data.max_skipped * total:
            raise DataError(
                f"{skipped} of {total} {what}s cannot be used, more than data.max_skipped="
                f"{run.data.max_skipped:g} allows{_skips(ledger)}"
            )


def _skips(ledger: Ledger, most: int = 10) -> str:
    lines = [f"\n  {entry}" for entry in ledger.skipped[:most]]
    more = len(ledger.skipped) - most
    return ":" * bool(lines) + "".join(lines) + (f"\n  … and {more} more" if more > 0 else "")


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

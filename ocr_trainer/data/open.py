"""Opening of the splits of a run's dataset, with checks that refuse missing, empty or damaged ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.counted import label_counts, uncounted, unlabeled, unscored
from ocr_trainer.data.images import check_image
from ocr_trainer.data.split import Splits
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Config, Context, DataReport, Kind, discovery
from ocr_trainer.plugin.build import build

Opener = Callable[[str], Any]
"""Returns a split by name; None if the dataset does not have it."""


def open_splits(run: RunConfig, context: Context) -> Splits:
    """Open the splits that a run uses: train, and val and test unless the trainer's limits disable them.

    Raises:
        DataError: The train split is missing, or a split is empty, has no label that counts, or too many
            unusable items.
    """
    dataset, opened = _open(run, context)
    train = opened("train")
    if train is None:
        raise DataError(f"dataset={run.dataset.name} has no train split: there is nothing to train on")
    val = opened("val") if run.trainer.limit_val_batches != 0 else None
    for name, split in (("train", train), ("val", val)):
        _refuse_uncounted(name, split, run, context)
    note_undivided(dataset, run, context.data_report)
    test_split, test = _test_of(opened) if run.trainer.limit_test_batches != 0 else (None, None)
    if test_split == "test" and (reason := _why_uncounted("test", test, run)):
        context.data_report.note(unscored(reason))
        test_split, test = None, None
    return Splits(train, val, test, test_split, dataset)


def open_test(run: RunConfig, context: Context, trained_on: bool = True) -> Splits:
    """Open only the split for testing: test, or val if there is no test split.

    Args:
        run: The run.
        context: What the dataset's factory gets.
        trained_on: Whether the model was trained on this dataset. If not, its train split can be scored, and
            is opened if there is no other.

    Raises:
        DataError: There is neither, or the split is empty or has too many unusable items.
    """
    names = ("test", "val") if trained_on else ("test", "val", "train")
    name, split = _test_of(_open(run, context)[1], names)
    if name is None:
        raise DataError(f"dataset={run.dataset.name} has neither a test nor a val split")
    _refuse_uncounted(name, split, run, context)
    return Splits(test=split, test_split=name)


def open_any(run: RunConfig, context: Context) -> Splits:
    """Open a split of a benchmark, which may have only a train split: the first of test, val and train.

    Raises:
        DataError: There is no split, or it is empty or has too many unusable items.
    """
    name, split = _test_of(_open(run, context)[1], ("test", "val", "train"))
    if name is None:
        raise DataError(f"dataset={run.dataset.name} has no splits")
    _refuse_uncounted(name, split, run, context)
    return Splits(test=split, test_split=name)


def open_dataset(run: RunConfig, context: Context) -> Any:
    """Build the run's dataset without opening its splits.

    Raises:
        DataError: The dataset cannot be opened. The message names other plugins that recognize the folder.
    """
    try:
        return build(Kind.dataset, run.dataset, context)
    except DataError as error:
        raise DataError(f"{error}{_other_readers(run.dataset)}") from error


def _open(run: RunConfig, context: Context) -> tuple[Any, Opener]:
    """Return the run's dataset and a function that opens its splits.

    The function is cached: a split opened twice would count its skipped items twice.
    """
    dataset = open_dataset(run, context)

    def opened(name: str) -> Any:
        try:
            return _split(run, context, dataset, name)
        except DataError as error:
            raise DataError(f"{error}{_other_readers(run.dataset)}") from error

    return dataset, cache(opened)


def _other_readers(config: Config) -> str:
    """Return message lines that name other plugins that recognize the dataset's folder; "" if none."""
    root = getattr(config, "root", None)
    if not isinstance(root, Path) or not root.is_dir():
        return ""
    own, readers = config.name.rpartition(":")[2], discovery.matching_datasets(root)
    others = [name for name in readers if name != own]
    if not others or own in readers:
        return ""
    return "".join(
        f"\n  the folder looks like another format: dataset={n} dataset.root={root}" for n in others
    )


def _test_of(opened: Opener, names: Sequence[str] = ("test", "val")) -> tuple[str | None, Any]:
    """Open the first of these splits that exists, and return its name and the split."""
    for name in names:
        if (split := opened(name)) is not None:
            return name, split
    return None, None


def _split(run: RunConfig, context: Context, dataset: Any, name: str) -> Any:
    """Open one split and check the headers of its images; None if the dataset does not have the split."""
    split = getattr(dataset, name)
    if split is None:
        return None
    files = getattr(split, "files", None)
    if files and run.data.check_images:
        _check_headers(files, run, context.data_report)
    refuse_unusable(context.data_report, run)
    if not len(split):
        raise DataError(
            f"the {name} split of dataset={run.dataset.name} is empty"
            f"{_skips(context.data_report)}{_notes(context.data_report)}"
        )
    return split


def _why_uncounted(name: str, split: Any, run: RunConfig) -> str | None:
    """Return why a split in which no label counts cannot be used; None if one does, or it cannot tell."""
    counts = label_counts(split) if split is not None else None
    return uncounted(name, counts, run.dataset) if counts is not None else None


def _refuse_uncounted(name: str, split: Any, run: RunConfig, context: Context) -> None:
    """Refuse a split in which no label counts.

    Raises:
        DataError: No label counts; the message has the reasons in numbers.
    """
    counts = label_counts(split) if split is not None else None
    if counts is not None and (note := unlabeled(name, counts, len(split))):
        context.data_report.note(note)
    if reason := _why_uncounted(name, split, run):
        raise DataError(f"{reason}{_notes(context.data_report)}")


def note_undivided(dataset: Any, run: RunConfig, data_report: DataReport) -> None:
    """Note that a dataset of one image has no val split, although a share of it was to be one."""
    share = getattr(run.dataset, "val_share", 0)
    if share and dataset.train is not None and len(dataset.train) == 1 and dataset.val is None:
        data_report.note(
            f"dataset={run.dataset.name} has only one image: dataset.val_share={share:g} makes no val split"
        )


def _check_headers(files: Sequence[Path], run: RunConfig, data_report: DataReport) -> None:
    """Check the headers of `data.check_images` evenly spaced files.

    Raises:
        DataError: More are broken than `data.max_skipped` allows.
    """
    chosen = files[:: max(1, math.ceil(len(files) / run.data.check_images))]
    broken = [(file, reason) for file in chosen if (reason := check_image(Path(file)))]
    for file, reason in broken:
        data_report.skip_image(file, reason)
    if len(broken) > run.data.max_skipped * len(chosen):
        raise DataError(
            f"{len(broken)} of {len(chosen)} checked images cannot be used, more than "
            f"data.max_skipped={run.data.max_skipped:g} allows{_skips(data_report)}{_notes(data_report)}"
        )


def refuse_unusable(data_report: DataReport, run: RunConfig) -> None:
    """Refuse a dataset with more unusable images or labels than `data.max_skipped` allows.

    Raises:
        DataError: There are too many; the message lists the first ones.
    """
    for fault in too_many(data_report, run):
        raise DataError(f"{fault}{_skips(data_report)}{_notes(data_report)}")


def too_many(data_report: DataReport, run: RunConfig) -> Iterator[str]:
    """Yield a message for images and for labels if more are unusable than `data.max_skipped` allows."""
    for what, total in (("image", data_report.images), ("label", data_report.labels)):
        skipped = sum(entry.what == what for entry in data_report.skipped)
        # No total, no fraction: for datasets that report only skipped items, the header checks must suffice.
        if total and skipped > run.data.max_skipped * total:
            yield (
                f"{skipped} of {total} {what}s cannot be used, more than data.max_skipped="
                f"{run.data.max_skipped:g} allows"
            )


def _notes(data_report: DataReport) -> str:
    """Return the notes about the data as lines of a message."""
    return "".join(f"\n  {message}" for message in data_report.messages())


def _skips(data_report: DataReport, most: int = 10) -> str:
    """Return the first skipped items as lines of a message."""
    lines = [f"\n  {entry}" for entry in data_report.skipped[:most]]
    more = len(data_report.skipped) - most
    return ":" * bool(lines) + "".join(lines) + (f"\n  … and {more} more" if more > 0 else "")

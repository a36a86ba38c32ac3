"""Reading all of a dataset, as a run does in its epochs, to say beforehand what of it cannot be used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Key, KeyedSampler, make_loader
from ocr_trainer.data.open import open_dataset, too_many
from ocr_trainer.data.split import Split, unreadable
from ocr_trainer.data.types import TextImage
from ocr_trainer.data.workers import TracksCurrentSample, report_worker_errors
from ocr_trainer.engine import build
from ocr_trainer.engine.callbacks.bar import progress
from ocr_trainer.engine.report import skips
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.errors import DataError
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.plugin import DataReport, SkippedItem

BATCH_SIZE = 16
"""Samples that a worker reads before it tells."""


@dataclass(slots=True)
class Counts:
    """What can be used of a sample or a split."""

    images: int = 0
    labels: int = 0
    dont_care: int = 0
    """Of the labels."""
    texts: int = 0
    """Labels that say what is written, and are not "don't care"."""

    def add(self, other: Counts) -> None:
        """Count what another one counts, too."""
        self.images += other.images
        self.labels += other.labels
        self.dont_care += other.dont_care
        self.texts += other.texts


@dataclass(slots=True)
class Seen:
    """What came of reading a sample."""

    counts: Counts = field(default_factory=Counts)
    skipped: list[SkippedItem] = field(default_factory=list)


class ReadOnlySet(TracksCurrentSample[Seen]):
    """Each sample of a split, read and counted."""

    def __init__(self, split: Split[Any]) -> None:
        """Keep the split."""
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key) -> Seen:
        index = key[1]
        self.track(index)
        try:
            sample = self.split[index]
        except DataError as error:
            return Seen(skipped=[unreadable(self.split, index, error)])
        if isinstance(sample, TextImage):
            return Seen(Counts(images=1, labels=1, texts=1), sample.skipped)
        texts = sum(bool(t) and not i for t, i in zip(sample.texts, sample.ignore, strict=True))
        counts = Counts(1, len(sample.polygons), int(sample.ignore.sum()), texts)
        return Seen(counts, sample.skipped)


def check_data(run: RunConfig, as_json: bool = False) -> None:
    """Open every split, read every sample, print what there is and all that cannot be used.

    Nothing is written, and no model is built. Of an endless split it is the first epoch.

    Args:
        run: A checked configuration; its model says no more than the task.
        as_json: Whether to print for programs.

    Raises:
        DataError: The dataset cannot be opened, a split is empty, or more is unusable than
            `data.max_skipped` allows; what there is has been printed before.
    """
    quiet_logs()
    context = build.context(run, Path())
    dataset = open_dataset(run, context)
    opened = {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}
    found = {name: _read(name, split, run, context.data_report) for name, split in opened.items()}
    if not context.data_report.images:  # a dataset that does not count what it reads
        context.data_report.read(images=sum(map(len, opened.values())))
    print(_json(found, context.data_report) if as_json else _table(found, context.data_report))
    empty = [f"the {n} split of dataset={run.dataset.name} is empty" for n, s in opened.items() if not len(s)]
    if faults := [*empty, *too_many(context.data_report, run)]:
        raise DataError("\n  ".join(faults))


def _read(name: str, split: Split[Any], run: RunConfig, data_report: DataReport) -> Counts:
    """Read a split; what cannot be used of it goes into the ledger."""
    total = Counts()
    keys = KeyedSampler(len(split), run.seed, shuffle=False)
    batches = make_loader(ReadOnlySet(split), keys, BATCH_SIZE, list, run.data)
    with report_worker_errors([batches]), progress(len(split), f"reading {name}") as tell:
        for seen in (seen for batch in batches for seen in batch):
            total.add(seen.counts)
            data_report.skipped += seen.skipped
            tell()
    return total


def _json(found: dict[str, Counts], data_report: DataReport) -> str:
    told = {
        "splits": {name: asdict(counts) for name, counts in found.items()},
        "skipped": skips(data_report, []),
    }
    return json.dumps(told, indent=2)


def _table(found: dict[str, Counts], data_report: DataReport) -> str:
    heads = ("images", "labels", "don't care", "texts")
    rows = [("", heads), *((name, asdict(counts).values()) for name, counts in found.items())]
    lines = [f"  {name:5} " + " ".join(f"{value!s:>10}" for value in values) for name, values in rows]
    skipped = skips(data_report, [])
    told = [f"{skipped[what]:,} {what}" for what in ("images", "labels", "texts") if skipped[what]]
    lines += ["", f"left out: {', '.join(told)}" if told else "all of it can be used"]
    return "\n".join([*lines, *(f"  {_shown(entry)}" for entry in skipped["entries"])])


def _shown(text: str) -> str:
    """Return a text on one line: names of files may hold anything, commands to the terminal included."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

"""Read a whole dataset as training does, and find the samples that cannot be used."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.loader import Key, KeyedSampler, make_loader
from ocr_trainer.data.open import open_dataset, too_many
from ocr_trainer.data.split import Split, unreadable
from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.data.workers import TracksCurrentSample, report_worker_errors
from ocr_trainer.engine.callbacks.bar import progress
from ocr_trainer.engine.report import skips
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.errors import DataError
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.plugin import DataReport, SkippedItem

BATCH_SIZE = 16
"""The number of samples that a worker reads before it reports progress."""


@dataclass(slots=True)
class Counts:
    """The usable contents of a sample or a split."""

    images: int = 0
    labels: int = 0
    dont_care: int = 0
    """Labels marked as "don't care"."""
    texts: int = 0
    """Labels that have a text and are not "don't care"."""

    def add(self, other: Counts) -> None:
        """Add other counts to these."""
        self.images += other.images
        self.labels += other.labels
        self.dont_care += other.dont_care
        self.texts += other.texts


@dataclass(slots=True)
class SampleResult:
    """The counts of a sample, and its skipped parts."""

    counts: Counts = field(default_factory=Counts)
    skipped: list[SkippedItem] = field(default_factory=list)


class CountingSet(TracksCurrentSample[SampleResult]):
    """Reads and counts each sample of a split."""

    def __init__(self, split: Split[Any]) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key) -> SampleResult:
        index = key[1]
        self.track(index)
        try:
            sample = self.split[index]
        except DataError as error:
            return SampleResult(skipped=[unreadable(self.split, index, error)])
        if not isinstance(sample, Sample):  # one label: a text, or what another task learns
            texts = int(isinstance(sample, TextImage))
            return SampleResult(Counts(images=1, labels=1, texts=texts), sample.skipped)
        texts = sum(bool(t) and not i for t, i in zip(sample.texts, sample.ignore, strict=True))
        counts = Counts(1, len(sample.polygons), int(sample.ignore.sum()), texts)
        return SampleResult(counts, sample.skipped)


@dataclass(frozen=True)
class DataCheck:
    """What a dataset holds. `str()` of it is a table."""

    counts: dict[str, Counts]
    """What can be used, by split."""
    skipped: list[SkippedItem]
    """What cannot be used: each with file, line and reason."""
    problems: list[str]
    """Why a run would refuse the data; empty if it would not."""
    data_report: DataReport = field(repr=False)
    """How much was read."""

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the skipped items as dictionaries, lists, strings and numbers."""
        return {
            "splits": {name: asdict(split_counts) for name, split_counts in self.counts.items()},
            "skipped": skips(self.data_report, []),
        }

    def __str__(self) -> str:
        return _table(self.counts, self.data_report)


def check_data(run: RunConfig) -> DataCheck:
    """Read every sample of every split, and count what can be used.

    This writes no files and builds no model. Of an endless split, it reads the first epoch.

    Args:
        run: A validated configuration. Its model only determines the task.

    Raises:
        DataError: The dataset cannot be opened.
    """
    quiet_logs()
    context = run_context(run, Path())
    found = context.data_report
    dataset = open_dataset(run, context)
    opened = {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}
    counts = {name: _read(name, split, run, found) for name, split in opened.items()}
    if not found.images:  # this dataset does not report how much it reads
        found.read(images=sum(map(len, opened.values())))
    empty = [f"the {n} split of dataset={run.dataset.name} is empty" for n, s in opened.items() if not len(s)]
    return DataCheck(counts, found.skipped, [*empty, *too_many(found, run)], found)


def _read(name: str, split: Split[Any], run: RunConfig, data_report: DataReport) -> Counts:
    """Read a split and return its counts. Add skipped items to the data report."""
    total = Counts()
    keys = KeyedSampler(len(split), run.seed, shuffle=False)
    batches = make_loader(CountingSet(split), keys, BATCH_SIZE, list, run.data)
    with report_worker_errors([batches]), progress(len(split), f"reading {name}") as report:
        for result in (result for batch in batches for result in batch):
            total.add(result.counts)
            data_report.skipped += result.skipped
            report()
    return total


def _table(counts: dict[str, Counts], data_report: DataReport) -> str:
    heads = ("images", "labels", "don't care", "texts")
    rows = [("", heads), *((name, asdict(split_counts).values()) for name, split_counts in counts.items())]
    lines = [f"  {name:5} " + " ".join(f"{value!s:>10}" for value in values) for name, values in rows]
    skipped = skips(data_report, [])
    left_out = [f"{skipped[what]:,} {what}" for what in ("images", "labels", "texts") if skipped[what]]
    lines += ["", f"left out: {', '.join(left_out)}" if left_out else "all of it can be used"]
    if skipped["notes"]:
        lines.append(f"notes on what is used: {skipped['notes']:,}")
    return "\n".join([*lines, *(f"  {_printable(entry)}" for entry in skipped["entries"])])


def _printable(text: str) -> str:
    """Replace unprintable characters: file names may contain line breaks and terminal escape sequences."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

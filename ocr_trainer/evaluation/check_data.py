"""Read a whole dataset as training does, and find the samples that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.counted import label_counts, uncounted, unlabeled, unscored
from ocr_trainer.data.loader import Key, KeyedSampler, make_loader
from ocr_trainer.data.open import note_undivided, open_dataset, too_many
from ocr_trainer.data.split import Split, Splits, name_of, unreadable
from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.data.workers import TracksCurrentSample, report_worker_errors
from ocr_trainer.engine.build import build_model
from ocr_trainer.engine.callbacks.bar import progress
from ocr_trainer.engine.report import skips
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.errors import DataError
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.plugin import DataReport, SkippedItem
from ocr_trainer.tasks.base import task_class
from ocr_trainer.tasks.interface import FitChecker
from ocr_trainer.text.normalize import fault
from ocr_trainer_runtime.text.visible import one_line

Reasons = dict[str, dict[str, int]]
"""The number of labels for each reason of "don't care", by split."""

BATCH_SIZE = 16
"""The number of samples that a worker reads before it reports progress."""


@dataclass(slots=True)
class Counts:
    """The usable contents of a sample or a split."""

    images: int = 0
    labels: int = 0
    dont_care: int = 0
    """Labels that are neither learned nor scored."""
    counted: int = 0
    """Labels that are learned and scored: the others."""
    texts: int = 0
    """Labels that have a text and are not "don't care"."""

    def add(self, other: Counts) -> None:
        """Add other counts to these."""
        self.images += other.images
        self.labels += other.labels
        self.dont_care += other.dont_care
        self.counted += other.counted
        self.texts += other.texts


@dataclass(slots=True)
class SampleResult:
    """The counts of a sample, and its skipped parts."""

    counts: Counts = field(default_factory=Counts)
    skipped: list[SkippedItem] = field(default_factory=list)
    misfit: Any = None
    """Why the model cannot learn the sample, as its `FitChecker` says."""


class CountingSet(TracksCurrentSample[SampleResult]):
    """Reads and counts each sample of a split, and checks it if there is a checker."""

    def __init__(self, split: Split[Any], checker: FitChecker | None = None) -> None:
        self.split, self.checker = split, checker

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
            if isinstance(sample, TextImage) and (reason := fault(sample.text)):
                item = SkippedItem("label", name_of(self.split, index), None, reason)
                return SampleResult(Counts(images=1, labels=1), [*sample.skipped, item])
            misfit = self.checker and self.checker(sample, name_of(self.split, index))
            return SampleResult(Counts(images=1, labels=1, counted=1, texts=texts), sample.skipped, misfit)
        texts = sum(bool(t) and not i for t, i in zip(sample.texts, sample.ignore, strict=True))
        ignored = int(sample.ignore.sum())
        labels = len(sample.polygons)
        counts = Counts(1, labels, ignored, labels - ignored, texts)
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
    reasons: Reasons = field(default_factory=dict)
    """How many labels are "don't care" for each reason, by split, where the dataset gives reasons."""

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the skipped items as dictionaries, lists, strings and numbers."""
        return {
            "splits": {
                name: asdict(split_counts) | {"dont_care_reasons": self.reasons.get(name, {})}
                for name, split_counts in self.counts.items()
            },
            "notes": self.data_report.messages(),
            "problems": self.problems,
            "skipped": skips(self.data_report, []),
        }

    def __str__(self) -> str:
        return _table(self)


def check_data(run: RunConfig, heed_model: bool = False) -> DataCheck:
    """Read every sample of every split, and count what can be used.

    This writes no files. Of an endless split, it reads the first epoch.

    Args:
        run: A validated configuration.
        heed_model: Whether to check that the model can learn the training samples. Otherwise it only
            determines the task.

    Raises:
        DataError: The dataset cannot be opened.
    """
    quiet_logs()
    context = run_context(run, Path())
    found = context.data_report
    dataset = open_dataset(run, context)
    opened = {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}
    checker, refused = _checker(run, dataset, opened) if heed_model else (None, None)
    misfits: list[Any] = []
    counts = {
        name: _read(name, split, run, found, checker if name == "train" else None, misfits)
        for name, split in opened.items()
    }
    if note_unread := getattr(dataset, "note_unread", None):
        note_unread()
    if not found.images:  # this dataset does not report how much it reads
        found.read(images=sum(map(len, opened.values())))
    note_undivided(dataset, run, found)
    empty = [f"the {n} split of dataset={run.dataset.name} is empty" for n, s in opened.items() if not len(s)]
    known = {name: dict(label_counts(split) or {}) for name, split in opened.items()}
    reasons = {name: _without_counted(known[name], counts[name]) for name in opened}
    problems = [*empty, *too_many(found, run), refused]
    for name, split_counts in counts.items():
        labels = Counter({"": split_counts.labels})
        if note := unlabeled(name, labels, split_counts.images):
            found.note(note)
    for name, reason in _uncounted(counts, reasons, run):
        if name == "test":  # a run trains all the same, but does not score it
            found.note(unscored(reason))
        else:
            problems.append(reason)
    if checker is not None and misfits:
        problems.append(checker.problem(misfits, counts["train"].labels))
        found.skipped += [SkippedItem("label", one.name, None, one.reason) for one in misfits]
    return DataCheck(counts, found.skipped, [problem for problem in problems if problem], found, reasons)


def _without_counted(reasons: dict[str, int], counts: Counts) -> dict[str, int]:
    """Return the reasons of "don't care" labels, the most frequent first, those outside their image too."""
    named = {reason: number for reason, number in reasons.items() if reason}
    if counts.dont_care > (total := sum(named.values())):
        named["outside the image, or without a stated reason"] = counts.dont_care - total
    return dict(sorted(named.items(), key=lambda item: -item[1]))


def _uncounted(counts: dict[str, Counts], reasons: Reasons, run: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield the splits in which no label counts, and why."""
    for name, split_counts in counts.items():
        if split_counts.images and not split_counts.counted:
            numbers = Counter(reasons[name])
            if reason := uncounted(name, numbers, run.dataset):
                yield name, reason


def _checker(run: RunConfig, dataset: Any, opened: dict[str, Any]) -> tuple[FitChecker | None, str | None]:
    """Return what checks the training samples, and why a run would refuse the data before that."""
    context = run_context(run, Path())
    splits = Splits(opened.get("train"), opened.get("val"), opened.get("test"), dataset=dataset)
    if not all(len(split) for split in opened.values()):
        return None, None  # reported as empty
    try:
        return task_class(context.task).fit_checker(run, context, splits, build_model), None
    except DataError as error:
        return None, str(error)


def _read(
    name: str,
    split: Split[Any],
    run: RunConfig,
    data_report: DataReport,
    checker: FitChecker | None,
    misfits: list[Any],
) -> Counts:
    """Read a split and return its counts. Add skipped items to the data report, and misfits to the list."""
    total = Counts()
    keys = KeyedSampler(len(split), run.seed, shuffle=False)
    batches = make_loader(CountingSet(split, checker), keys, BATCH_SIZE, list, run.data)
    with report_worker_errors([batches]), progress(len(split), f"reading {name}") as report:
        for result in (result for batch in batches for result in batch):
            total.add(result.counts)
            data_report.skipped += result.skipped
            misfits += [result.misfit] if result.misfit is not None else []
            report()
    return total


def _table(check: DataCheck) -> str:
    heads = ("images", "labels", "counted", "don't care", "texts")
    rows = [("", heads), *((name, _row(counts)) for name, counts in check.counts.items())]
    lines = [f"  {name:5} " + " ".join(f"{value!s:>10}" for value in values) for name, values in rows]
    for name, reasons in check.reasons.items():
        named = ", ".join(f"{number:,} ({reason})" for reason, number in reasons.items())
        lines += [f"  don't care in {name}: {one_line(named)}"] if named else []
    lines += [f"note: {one_line(message)}" for message in check.data_report.messages()]
    skipped = skips(check.data_report, [])
    left_out = [f"{skipped[what]:,} {what}" for what in ("images", "labels", "texts") if skipped[what]]
    everything = "nothing is left out" if check.problems else "all of it can be used"
    lines += ["", f"left out: {', '.join(left_out)}" if left_out else everything]
    if skipped["remarks"]:
        lines.append(f"remarks on what is used: {skipped['remarks']:,}")
    return "\n".join([*lines, *(f"  {one_line(entry)}" for entry in skipped["entries"])])


def _row(counts: Counts) -> tuple[int, ...]:
    return counts.images, counts.labels, counts.counted, counts.dont_care, counts.texts

"""Splits of a dataset: what a plugin gives, what a run uses, and how a sample is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import SkippedItem

S = TypeVar("S", covariant=True)


class Split(Protocol[S]):
    """What a dataset plugin gives for each of train, val and test."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> S: ...


@dataclass(frozen=True)
class Splits:
    """The splits that a run uses; None where there is none or none is wanted."""

    train: Any = None
    val: Any = None
    test: Any = None
    test_split: str | None = None
    """Which split `test` is."""
    dataset: Any = None
    """What the dataset plugin's factory returned, for what else it may offer, such as `characters`."""
    report: dict[str, Any] = field(default_factory=dict)
    """What the task has found out about the data, for report.json."""


class Subset:
    """Some samples of a split, by their places."""

    def __init__(self, split: Split[Any], places: Sequence[int]) -> None:
        self._split, self._places = split, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Any:
        return self._split[self._places[index]]

    def name_of(self, index: int) -> str:
        """Return what the user knows a sample by."""
        return name_of(self._split, self._places[index])


def subsample(split: Split[Any], most: int) -> Subset:
    """Return at most so many samples of a split, evenly spread."""
    return Subset(split, range(0, len(split), max(1, -(-len(split) // most))))


def unreadable(split: Split[Any], index: int, error: DataError) -> SkippedItem:
    """Return the entry of an image that could not be read."""
    return SkippedItem("image", name_of(split, index), None, str(error))


def name_of(split: Split[Any], index: int) -> str:
    """Return what the user knows a sample by."""
    if hasattr(split, "name_of"):
        return str(split.name_of(index))
    files = getattr(split, "files", None)
    # Without names, one image of an endless split is the same in every epoch.
    return str(files[index]) if files else f"sample {index % len(split)}"


class Unusable(Exception):
    """A sample cannot be learned, though it can be read; `what` is that of `SkippedItem`."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(reason)
        self.what = what

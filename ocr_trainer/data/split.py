"""Splits of a dataset: what a plugin provides, what a run uses, and how samples are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import SkippedItem

S = TypeVar("S", covariant=True)


class Split(Protocol[S]):
    """What a dataset plugin provides for each of train, val and test."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> S: ...


@dataclass(frozen=True)
class Splits:
    """The splits that a run uses; None where a split does not exist or is not needed."""

    train: Any = None
    val: Any = None
    test: Any = None
    test_split: str | None = None
    """Name of the split that `test` holds."""
    dataset: Any = None
    """What the dataset plugin's factory returned, for what else it may offer, such as `characters`."""
    report: dict[str, Any] = field(default_factory=dict)
    """What the task has found out about the data, for report.json."""


class Subset:
    """Some samples of a split, selected by index."""

    def __init__(self, split: Split[Any], indices: Sequence[int]) -> None:
        self._split, self._indices = split, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Any:
        return self._split[self._indices[index]]

    def name_of(self, index: int) -> str:
        """Return the name that the user knows a sample by."""
        return name_of(self._split, self._indices[index])

    def text_of(self, index: int) -> str | None:
        """Return the text of a sample, as `text_of` does."""
        return text_of(self._split, self._indices[index])

    def size_of(self, index: int) -> tuple[int, int] | None:
        """Return the size of a sample, as `size_of` does."""
        return size_of(self._split, self._indices[index])


def subsample(split: Split[Any], limit: int) -> Subset:
    """Return at most `limit` samples of a split, evenly spaced."""
    # The double negation rounds the step up, so that no more than `limit` samples remain.
    return Subset(split, range(0, len(split), max(1, -(-len(split) // limit))))


def text_of(split: Any, index: int) -> str | None:
    """Return the text of a recognition sample without reading its image; None if the split has no list."""
    if hasattr(split, "text_of"):
        text: str | None = split.text_of(index)
        return text
    texts = getattr(split, "texts", None)
    return None if texts is None else str(texts[index])


def size_of(split: Any, index: int) -> tuple[int, int] | None:
    """Return about the height and width of a sample without decoding it; None if they are not known."""
    size: tuple[int, int] | None = split.size_of(index) if hasattr(split, "size_of") else None
    return size


def unreadable(split: Split[Any], index: int, error: DataError) -> SkippedItem:
    """Return the report entry for an image that could not be read."""
    return SkippedItem("image", name_of(split, index), None, str(error))


def name_of(split: Split[Any], index: int) -> str:
    """Return the name that the user knows a sample by: that of the split, a path, or "sample N"."""
    if hasattr(split, "name_of"):
        return str(split.name_of(index))
    files = getattr(split, "files", None)
    # The index of an endless split grows past its length with each epoch; wrap it for display.
    return str(files[index]) if files else f"sample {index % len(split)}"


class Unusable(Exception):
    """Raised for a sample that was read but cannot be trained on or scored.

    Args:
        what: Kind of the item, as in `SkippedItem`.
        reason: Why it cannot be used, for the report.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(reason)
        self.what = what

"""The report of what a dataset plugin reads and skips, so that no sample is dropped silently."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SkippedItem:
    """An image or a label that was skipped, and why."""

    what: str
    """`image` or `label`; `text`, skipped on purpose, which does not count as unusable data; or `remark`, on
    an image or a label that is used, but not as the file has it."""
    file: str
    """The file that the item comes from."""
    line: int | None
    """The line of `file`, counted from 1; `None` where the whole file is meant."""
    reason: str
    """Why the item was skipped, in the user's words."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}"


@dataclass
class DataReport:
    """Counts what a dataset reads and lists what it skips."""

    images: int = 0
    """Images found, usable or not."""
    labels: int = 0
    """Labels found, usable or not."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """The items that cannot be used, or that were left out on purpose."""
    order_corners: bool = False
    """Whether to order four corners that cross, as `dataset.order_corners` asks. Readers set it."""
    crossed_corners: int = 0
    """Outlines of four corners that cross themselves, ordered or not."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the data besides the skipped items, each once."""

    def read(self, images: int = 0, labels: int = 0) -> None:
        """Count images and labels that were found, usable or not."""
        self.images += images
        self.labels += labels

    def note(self, text: str) -> None:
        """Record what the user should know about the data, once."""
        if text not in self.notes:
            self.notes.append(text)

    def messages(self) -> list[str]:
        """Return the notes, and how many outlines have their corners in another order."""
        if not self.crossed_corners:
            return self.notes
        done = "put in order" if self.order_corners else "dataset.order_corners=true puts them in order"
        return [
            *self.notes,
            f"{self.crossed_corners:,} of {self.labels:,} outlines are four points that cross themselves,"
            f" most likely corners in another order (left top, right top, left bottom, right bottom): {done}",
        ]

    def skip_image(self, file: str | Path, reason: str) -> None:
        """Record an image that cannot be used."""
        self.skipped.append(SkippedItem("image", str(file), None, reason))

    def skip_label(self, file: str | Path, line: int | None, reason: str) -> None:
        """Record a label that cannot be used; `line` counts from 1."""
        self.skipped.append(SkippedItem("label", str(file), line, reason))

    def remark(self, file: str | Path, line: int | None, reason: str) -> None:
        """Record what the user should know about an image or a label that is used."""
        self.skipped.append(SkippedItem("remark", str(file), line, reason))

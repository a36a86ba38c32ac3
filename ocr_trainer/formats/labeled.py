"""Labels in compact arrays: a million words take tens of megabytes, and workers share the memory.

A Python object per word would take hundreds of bytes, and again in every worker as soon as its reference
count changes (copy-on-write after fork). These arrays are only appended to, then only read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from ocr_trainer.data.images import read_labeled
from ocr_trainer.data.types import Sample
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import CROSSING, CROSSING_CURVE, MARKED, NO_TRANSCRIPTION, Labels
from ocr_trainer.plugin import SkippedItem
from ocr_trainer.plugin.options import ExifOrientation

S = TypeVar("S")

FRAMES = tuple(ExifOrientation)
"""By their numbers in `PackedLabels`."""


class PackedStrings(Sequence[str]):
    """Many short texts in one block of UTF-8."""

    def __init__(self) -> None:
        self._blob = bytearray()
        self._ends = array("q", [0])

    def append(self, text: str) -> None:
        """Append a text."""
        self._blob += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._blob))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        index = range(len(self))[index]
        return self._blob[self._ends[index] : self._ends[index + 1]].decode("utf-8", "surrogatepass")


class PackedLabels:
    """The labels of many images in flat arrays."""

    def __init__(self) -> None:
        self._texts = PackedStrings()
        self._reasons = ["", MARKED]
        self._ignore = bytearray()  # one index in `_reasons` per label
        self._points = array("f")
        self._point_ends = array("q", [0])
        self._label_ends = array("q", [0])
        self._sizes = array("i")
        self._exif = bytearray()

    def append(self, labels: Labels) -> None:
        """Append the labels of an image."""
        reasons = labels.reasons
        if len(reasons) != len(labels.ignore):  # labels that were not added by `Labels.add`
            reasons = [MARKED * ignored for ignored in labels.ignore]
        for polygon, text, reason in zip(labels.polygons, labels.texts, reasons, strict=True):
            self._points.frombytes(np.ascontiguousarray(polygon, dtype=np.float32).tobytes())
            self._point_ends.append(len(self._points))
            self._texts.append(text)
            self._ignore.append(self._code(reason))
        self._label_ends.append(len(self._texts))
        self._sizes.extend(labels.size or (0, 0))
        self._exif.append(FRAMES.index(labels.exif))

    def _code(self, reason: str) -> int:
        """Return the index of a reason in `_reasons`; a byte has room for 256 of them."""
        if reason not in self._reasons:
            if len(self._reasons) == 256:
                return 1
            self._reasons.append(reason)
        return self._reasons.index(reason)

    def counts(self, images: Iterable[int]) -> Counter[str]:
        """Return how many labels of some images are "don't care" by reason; "" for those that count."""
        codes: Counter[int] = Counter()
        for image in images:
            codes.update(self._ignore[self._label_ends[image] : self._label_ends[image + 1]])
        return Counter({self._reasons[code]: count for code, count in codes.items()})

    def has_transcriptions(self) -> bool:
        """Return whether a label has a text that is more than a mark of "don't care"."""
        kept = {
            place for place, reason in enumerate(self._reasons) if reason in ("", CROSSING, CROSSING_CURVE)
        }
        return any(self._ignore[place] in kept and self._texts[place] for place in range(len(self._texts)))

    def count_untranscribed(self) -> None:
        """Let the labels without transcription count."""
        code = bytes([self._code(NO_TRANSCRIPTION)])
        self._ignore = self._ignore.replace(code, b"\0")

    def __getitem__(self, image: int) -> Labels:
        """Return a copy of the labels of an image."""
        first, last = self._label_ends[image], self._label_ends[image + 1]
        ends = self._point_ends[first : last + 1]
        height, width = self._sizes[2 * image : 2 * image + 2]
        return Labels(
            polygons=[
                np.array(self._points[start:end], dtype=np.float32).reshape(-1, 2)
                for start, end in pairwise(ends)
            ],
            texts=[self._texts[place] for place in range(first, last)],
            ignore=[bool(code) for code in self._ignore[first:last]],
            reasons=[self._reasons[code] for code in self._ignore[first:last]],
            size=(height, width) if height else None,
            exif=FRAMES[self._exif[image]],
        )


class Files(Sequence[Path]):
    """Paths of images, created on access."""

    def __init__(self, names: PackedStrings, indices: Sequence[int]) -> None:
        self._names, self._indices = names, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int | slice) -> Path | list[Path]:  # type: ignore[override]
        if isinstance(index, slice):
            return [Path(self._names[place]) for place in self._indices[index]]
        return Path(self._names[self._indices[index]])

    def names(self) -> Iterator[str]:
        """Yield each path as a string, which takes a tenth of the time."""
        return (self._names[place] for place in self._indices)


class LabeledImages(Sequence[Sample]):
    """A detection split: labels in memory, pixels decoded on access.

    A polygon completely outside its image is only recognized when the image is decoded. It is then flagged
    "don't care" and reported as skipped. Polygons that are partly outside stay as they are.

    Args:
        images: Files and their labels. Consumed one by one, so a generator keeps memory flat.
    """

    def __init__(self, images: Iterable[tuple[Path | str, Labels]] = ()) -> None:
        self._names = PackedStrings()
        self._labels = PackedLabels()
        for file, labels in images:
            self._names.append(str(file))
            self._labels.append(labels)
        self._indices: Sequence[int] = range(len(self._names))

    def subset(self, indices: Iterable[int]) -> LabeledImages:
        """Return a split of the images at these indices. It shares the labels with this one."""
        result = LabeledImages()
        result._names, result._labels = self._names, self._labels
        result._indices = array("q", (self._indices[index] for index in indices))
        return result

    @property
    def files(self) -> Sequence[Path]:
        """One path per sample."""
        return Files(self._names, self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def labels(self, index: int) -> Labels:
        """Return the labels of an image without decoding it."""
        return self._labels[self._indices[index]]

    def label_counts(self) -> Counter[str]:
        """Return how many labels are "don't care" by reason; "" stands for those that count."""
        return self._labels.counts(self._indices)

    def has_transcriptions(self) -> bool:
        """Return whether a label of the images has a text that is more than a mark of "don't care"."""
        return self._labels.has_transcriptions()

    def count_untranscribed(self) -> None:
        """Let the labels without transcription count."""
        self._labels.count_untranscribed()

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        """Return a sample. It is a copy that the caller may modify.

        Raises:
            DataError: If the image cannot be read or has another size than the annotated one.
        """
        file, labels = Path(self._names[self._indices[index]]), self.labels(index)
        notes: list[str] = []
        image = read_labeled(file, labels.size, labels.exif, notes)
        size = image.shape[:2]
        if labels.size not in (None, size):
            raise DataError(
                f"'{file}' is {_format_size(size)} pixels, but was annotated at {_format_size(labels.size)}"
            )
        outside = [_outside(polygon, *size) for polygon in labels.polygons]
        return Sample(
            image=image,
            polygons=labels.polygons,
            texts=labels.texts,
            ignore=np.array(labels.ignore, dtype=bool) | np.array(outside, dtype=bool),
            source=str(file),
            skipped=[
                *(SkippedItem("remark", str(file), None, note) for note in notes),
                *(
                    SkippedItem(
                        "label",
                        str(file),
                        None,
                        f"label {place} lies outside the image of {_format_size(size)} pixels",
                    )
                    for place, is_outside in enumerate(outside, start=1)
                    if is_outside
                ),
            ],
        )


class LazySplits(ABC, Generic[S]):
    """A dataset that reads each of its three splits on first access."""

    @cached_property
    def train(self) -> S | None:
        """Samples to train on."""
        return self._open("train")

    @cached_property
    def val(self) -> S | None:
        """Samples to select a checkpoint with."""
        return self._open("val")

    @cached_property
    def test(self) -> S | None:
        """Samples for the final score."""
        return self._open("test")

    @abstractmethod
    def _open(self, split: str) -> S | None:
        """Read a split; return None if the dataset has no split of that name."""


def _outside(polygon: np.ndarray, height: int, width: int) -> bool:
    (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
    return bool(right <= 0 or bottom <= 0 or left >= width or top >= height)


def _format_size(size: Sequence[int]) -> str:
    return f"{size[1]} x {size[0]}"

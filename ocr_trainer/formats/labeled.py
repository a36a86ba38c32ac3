"""Labels in compact arrays: a million words take tens of megabytes, and workers share the memory.

A Python object per word would take hundreds of bytes, and again in every worker as soon as its reference
count changes (copy-on-write after fork). These arrays are only appended to, then only read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from ocr_trainer.data.images import read_labeled
from ocr_trainer.data.types import Sample
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
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
        self._ignore = bytearray()
        self._points = array("f")
        self._point_ends = array("q", [0])
        self._label_ends = array("q", [0])
        self._sizes = array("i")
        self._exif = bytearray()

    def append(self, labels: Labels) -> None:
        """Append the labels of an image."""
        for polygon, text, ignored in zip(labels.polygons, labels.texts, labels.ignore, strict=True):
            self._points.frombytes(np.ascontiguousarray(polygon, dtype=np.float32).tobytes())
            self._point_ends.append(len(self._points))
            self._texts.append(text)
            self._ignore.append(ignored)
        self._label_ends.append(len(self._texts))
        self._sizes.extend(labels.size or (0, 0))
        self._exif.append(FRAMES.index(labels.exif))

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
            ignore=[bool(flag) for flag in self._ignore[first:last]],
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
                *(SkippedItem("note", str(file), None, note) for note in notes),
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

"""The texts of annotated images, one by one: what a detection split gives to a recognizer."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.data.types import Image, Polygon, TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.labeled import Strings
from ocr_trainer.formats.rectify import cut, text_size
from ocr_trainer.formats.texts import Texts
from ocr_trainer.plugin import DataReport, SkippedItem

__all__ = ["Crops", "cut", "ordered_before"]

SHOWN = 40
"""Characters of a text that name its crop."""


class Crops(Sequence[TextImage]):
    """One `TextImage` per label that has a text and is not "don't care", in the order of the labels.

    Of a split with `labels(index)`, such as `LabeledImages`, they are read without decoding, of one
    epoch if it is endless; any other is gone through once.

    Args:
        split: A detection split: a sequence of `Sample`.
        ledger: Where labels are entered that have no text and, as "text", those that are too small.
        margin: What to add around a text, as a share of its height.
        mask: Whether what does not belong to a polygon is blanked; see `cut`.
        ordered: Whether the first corners of outlines tell where their texts begin; if None, it is so where
            most are the upper left ones.
        min_height: Lower texts are left out, in pixels.
        min_width: Narrower texts are left out, in pixels.
        cache_mb: How many MiB of crops each process keeps, so that a page is not decoded for every word.

    Raises:
        DataError: If the split is endless and has no `labels`.
    """

    def __init__(
        self,
        split: Any,
        data_report: DataReport,
        margin: float = 0.0,
        mask: bool = True,
        ordered: bool | None = None,
        min_height: int = 0,
        min_width: int = 0,
        cache_mb: int = 256,
    ) -> None:
        self._split, self._data_report = split, data_report
        self._margin, self._mask = margin, mask
        self._least = (min_height, min_width)
        self._pages = array("q")
        self._places = array("q")
        self._texts = Strings()
        self._kept = _Kept(cache_mb << 20)
        self.ordered = _ordered(split) if ordered is None else ordered
        """Whether the first corners of outlines tell where their texts begin."""
        for page, labels in _labeled(split, data_report):
            self._take(page, labels)

    def _take(self, page: int, labels: Labels) -> None:
        """Choose the labels of a page that are to be read."""
        name = _name(self._split, page)
        for place, (polygon, text) in enumerate(zip(labels.polygons, labels.texts, strict=True)):
            if labels.ignore[place]:
                continue
            try:
                small = self._small(polygon, text)
            except ValueError as fault:
                self._data_report.skip_label(name, None, f"label {place + 1}: {fault}")
                continue
            if small:  # no fault of the label: the user wants none such
                self._data_report.skipped.append(
                    SkippedItem("text", name, None, f"label {place + 1}: {small}")
                )
                continue
            self._pages.append(page)
            self._places.append(place)
            self._texts.append(text)

    def _small(self, polygon: Polygon, text: str) -> str | None:
        """Return in what a text is smaller than wanted.

        Raises:
            ValueError: If there is no text, or it has no size.
        """
        if not text.strip():
            raise ValueError("the text is empty")
        if not any(self._least):
            return None
        size = text_size(polygon, self.ordered)
        names = (("high", "min_height"), ("wide", "min_width"))
        for side, least, (word, option) in zip(size, self._least, names, strict=True):
            if side < least:
                return f"it is {side:.3g} pixels {word}, less than {option}={least}"
        return None

    @property
    def texts(self) -> Sequence[str]:
        """What is written on each crop, without decoding an image."""
        return Texts(self._texts, range(len(self)))

    def __len__(self) -> int:
        return len(self._places)

    def name_of(self, index: int) -> str:
        """Return what a crop is known by: its page, and the place of its label there, from 1."""
        return f"{_name(self._split, self._pages[index])}#{self._places[index] + 1}"

    def __getitem__(self, index: int) -> TextImage:  # type: ignore[override]
        """Return a crop that is the caller's to change.

        Raises:
            DataError: If its page cannot be read, or there is nothing to cut out of it.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        page, text = self._pages[index], self._texts[index]
        name = self.name_of(index)
        crops = self._kept.get(page)
        if crops is None:
            indices = range(*self._span(page)) if self._kept.limit else [index]
            crops = self._kept.put(page, self._cut(page, indices))
        crop = crops[self._places[index]]
        if isinstance(crop, str):
            raise DataError(f"'{name}' cannot be cut out: {crop}")
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        image = np.broadcast_to(crop, (*crop.shape[:2], 3)).copy()
        return TextImage(image, text, f'{name} "{shown}"')

    def _cut(self, page: int, indices: Sequence[int]) -> dict[int, np.ndarray | str]:
        """Return crops of a page by the place of their label, uint8, or why there is none."""
        sample = self._split[page]
        crops: dict[int, np.ndarray | str] = {}
        for index in indices:
            place = self._places[index]
            try:
                text = cut(sample.image, sample.polygons[place], self._margin, self._mask, self.ordered)
                crops[place] = _packed(text)
            except ValueError as fault:
                crops[place] = str(fault)
        return crops

    def _span(self, page: int) -> tuple[int, int]:
        """Return the first index of a page's crops, and that behind the last."""
        pages = np.frombuffer(self._pages, dtype=np.int64)
        first, last = np.searchsorted(pages, [page, page + 1])
        return int(first), int(last)


def _labeled(split: Any, data_report: DataReport) -> Iterator[tuple[int, Labels]]:
    """Yield the labels of each image, without decoding it where the split can."""
    if labels := getattr(split, "labels", None):
        yield from ((page, labels(page)) for page in range(len(split)))
        return
    if getattr(split, "endless", False):
        raise DataError(
            "crops are cut out of pages that are known beforehand, but these are made or mixed without end;\n"
            "  dataset=concat within crops: put crops inside concat, around each part that has pages;\n"
            "  dataset=synthetic makes words and lines by itself"
        )
    for page in range(len(split)):
        try:
            sample = split[page]
        except DataError as fault:
            data_report.skip_image(_name(split, page), str(fault))
            continue
        data_report.skipped += sample.skipped
        yield page, Labels(sample.polygons, sample.texts, sample.ignore.tolist())


def _ordered(split: Any, most: int = 200) -> bool:
    """Tell by some pages whether outlines begin at the text's top left, as text is level mostly."""
    if not (labels := getattr(split, "labels", None)):
        return True
    first = [
        int(polygon.sum(axis=1).argmin()) == 0
        for page in range(0, len(split), -(-len(split) // most) or 1)
        for polygon in labels(page).polygons
        if len(polygon) >= 4
    ]
    return 2 * sum(first) >= len(first)


def ordered_before(dataset: Any, split: str) -> bool | None:
    """Return what a dataset's `Crops` before a split are cut by, so that all are cut alike, or None."""
    before = (getattr(dataset, name) for name in SPLITS[: SPLITS.index(split)])
    return next((crops.ordered for crops in before if crops is not None), None)


def _name(split: Any, page: int) -> str:
    if hasattr(split, "name_of"):
        return str(split.name_of(page))
    files: Sequence[Path] | None = getattr(split, "files", None)
    return f"image {page}" if files is None else str(files[page])


def _packed(image: Image) -> np.ndarray:
    """Return one channel of what is gray, as many scans are, to keep three times as much of it."""
    gray = (image == image[:, :, :1]).all()
    return image[:, :, :1].copy() if gray else image


class _Kept:
    """The crops of the pages that were asked for last, up to so many bytes; a copy begins empty."""

    def __init__(self, limit: int) -> None:
        self.limit, self._bytes = limit, 0
        self._pages: OrderedDict[int, dict[int, np.ndarray | str]] = OrderedDict()

    def __reduce__(self) -> tuple[type[_Kept], tuple[int]]:
        return _Kept, (self.limit,)

    def get(self, page: int) -> dict[int, np.ndarray | str] | None:
        if page in self._pages:
            self._pages.move_to_end(page)
        return self._pages.get(page)

    def put(self, page: int, crops: dict[int, np.ndarray | str]) -> dict[int, np.ndarray | str]:
        if (size := _bytes(crops)) <= self.limit:
            self._pages[page] = crops
            self._bytes += size
        while self._bytes > self.limit:
            self._bytes -= _bytes(self._pages.popitem(last=False)[1])
        return crops


def _bytes(crops: dict[int, np.ndarray | str]) -> int:
    return sum(crop.nbytes for crop in crops.values() if not isinstance(crop, str))

"""Crops of annotated images, one per text: turns a detection split into a recognition split."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.data.types import Image, Polygon, Sample, TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.labeled import PackedStrings
from ocr_trainer.formats.texts import Texts
from ocr_trainer.plugin import DataReport, SkippedItem
from ocr_trainer_runtime.recognition.rectify import cut, text_size

__all__ = ["Crops", "cut", "ordered_before"]

MAX_SHOWN = 40
"""Number of characters of a text that are shown in the source of its crop."""


class Crops(Sequence[TextImage]):
    """One `TextImage` per label that has a text and is not "don't care", in label order.

    If the split has `labels(index)`, as `LabeledImages` has, labels are read without decoding images; for an
    endless split, those of one epoch. Any other split is read once from start to end.

    Args:
        split: A detection split: a sequence of `Sample`.
        data_report: Receives labels without a text and, as "text", texts that are too small.
        margin: Extra space around a text, as a fraction of its height.
        mask: Whether pixels outside a polygon are blanked; see `cut`.
        ordered: Whether the first corner of an outline is where its text begins. None: true if most
            outlines begin at their upper left corner.
        min_height: Skip texts that are lower than this, in pixels.
        min_width: Skip texts that are narrower than this, in pixels.
        cache_mb: MiB of crops that each process caches, so that a page is not decoded once per word.

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
        self._min_size = (min_height, min_width)
        self._pages = array("q")
        self._places = array("q")
        self._texts = PackedStrings()
        self._cache = _CropCache(cache_mb << 20)
        self.ordered = _ordered(split) if ordered is None else ordered
        """Whether the first corner of an outline is where its text begins."""
        for page, labels in _labeled(split, data_report):
            self._add_page(page, labels)

    def _add_page(self, page: int, labels: Labels) -> None:
        """Add the labels of a page that can be read."""
        name = _name(self._split, page)
        for place, (polygon, text) in enumerate(zip(labels.polygons, labels.texts, strict=True)):
            if labels.ignore[place]:
                continue
            try:
                small = self._too_small(polygon, text)
            except ValueError as error:
                self._data_report.skip_label(name, None, f"label {place + 1}: {error}")
                continue
            if small:  # not an error of the label: the user excludes small texts
                self._data_report.skipped.append(
                    SkippedItem("text", name, None, f"label {place + 1}: {small}")
                )
                continue
            self._pages.append(page)
            self._places.append(place)
            self._texts.append(text)

    def _too_small(self, polygon: Polygon, text: str) -> str | None:
        """Return in which dimension a text is smaller than allowed, or None.

        Raises:
            ValueError: If the text is empty or has no area.
        """
        if not text.strip():
            raise ValueError("the text is empty")
        if not any(self._min_size):
            return None
        size = text_size(polygon, self.ordered)
        names = (("high", "min_height"), ("wide", "min_width"))
        for side, limit, (word, option) in zip(size, self._min_size, names, strict=True):
            if side < limit:
                return f"it is {side:.3g} pixels {word}, less than {option}={limit}"
        return None

    @property
    def texts(self) -> Sequence[str]:
        """The text of each crop. Reading it decodes no image."""
        return Texts(self._texts, range(len(self)))

    def __len__(self) -> int:
        return len(self._places)

    def name_of(self, index: int) -> str:
        """Return the name of a crop: its page and the number of its label there, from 1."""
        return f"{_name(self._split, self._pages[index])}#{self._places[index] + 1}"

    def size_of(self, index: int) -> tuple[int, int] | None:
        """Return about the height and width of a crop; None if the split has labels only with its images."""
        labels = getattr(self._split, "labels", None)
        if labels is None:
            return None
        polygon = labels(self._pages[index]).polygons[self._places[index]]
        height, width = text_size(polygon, self.ordered)
        return max(1, round(height)), max(1, round(width))

    def __getitem__(self, index: int) -> TextImage:  # type: ignore[override]
        """Return a crop. It is a copy that the caller may modify.

        Raises:
            DataError: If the page cannot be read or the text cannot be cut out.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        page, text = self._pages[index], self._texts[index]
        name = self.name_of(index)
        crops, notes = self._cache.get(page), []
        if crops is None:
            # Cut all crops of the page while it is decoded: neighbors are usually read soon.
            indices = range(*self._span(page)) if self._cache.limit else [index]
            sample = self._split[page]
            crops = self._cache.put(page, self._cut(sample, indices))
            notes = [entry for entry in sample.skipped if entry.what == "remark"]
        crop = crops[self._places[index]]
        if isinstance(crop, str):
            raise DataError(f"'{name}' cannot be cut out: {crop}")
        shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
        image = np.broadcast_to(crop, (*crop.shape[:2], 3)).copy()
        return TextImage(image, text, f'{name} "{shown}"', notes)

    def _cut(self, sample: Sample, indices: Sequence[int]) -> dict[int, np.ndarray | str]:
        """Return the crops of a page by label number: uint8 images, or the reason one is missing."""
        crops: dict[int, np.ndarray | str] = {}
        for index in indices:
            place = self._places[index]
            try:
                text = cut(sample.image, sample.polygons[place], self._margin, self._mask, self.ordered)
                crops[place] = _drop_gray_channels(text)
            except ValueError as error:
                crops[place] = str(error)
        return crops

    def _span(self, page: int) -> tuple[int, int]:
        """Return the range of indices of a page's crops."""
        pages = np.frombuffer(self._pages, dtype=np.int64)
        first, last = np.searchsorted(pages, [page, page + 1])
        return int(first), int(last)


def _labeled(split: Any, data_report: DataReport) -> Iterator[tuple[int, Labels]]:
    """Yield the labels of each image, without decoding it if the split can."""
    if labels := getattr(split, "labels", None):
        yield from ((page, labels(page)) for page in range(len(split)))
        return
    if getattr(split, "endless", False):
        raise DataError(
            "crops need pages that are known in advance, but this split is endless;\n"
            "  dataset=concat within crops: put crops inside concat, around each part that has pages;\n"
            "  dataset=synthetic makes words and lines by itself"
        )
    for page in range(len(split)):
        try:
            sample = split[page]
        except DataError as error:
            data_report.skip_image(_name(split, page), str(error))
            continue
        data_report.skipped += sample.skipped
        yield page, Labels(sample.polygons, sample.texts, sample.ignore.tolist())


def _ordered(split: Any, max_pages: int = 200) -> bool:
    """Return whether most outlines begin at the upper left corner, judged on up to `max_pages` pages."""
    if not (labels := getattr(split, "labels", None)):
        return True
    # Text is mostly level, so the corner with the smallest x + y is the upper left one.
    first = [
        int(polygon.sum(axis=1).argmin()) == 0
        for page in range(0, len(split), -(-len(split) // max_pages) or 1)
        for polygon in labels(page).polygons
        if len(polygon) >= 4
    ]
    return 2 * sum(first) >= len(first)


def ordered_before(dataset: Any, split: str) -> bool | None:
    """Return `ordered` of the dataset's `Crops` for an earlier split, so that all splits agree, or None."""
    before = (getattr(dataset, name) for name in SPLITS[: SPLITS.index(split)])
    return next((crops.ordered for crops in before if crops is not None), None)


def _name(split: Any, page: int) -> str:
    if hasattr(split, "name_of"):
        return str(split.name_of(page))
    files: Sequence[Path] | None = getattr(split, "files", None)
    return f"image {page}" if files is None else str(files[page])


def _drop_gray_channels(image: Image) -> np.ndarray:
    """Return one channel of a gray image: many scans are gray, and three times as many fit the cache."""
    gray = (image == image[:, :, :1]).all()
    return image[:, :, :1].copy() if gray else image


class _CropCache:
    """LRU cache of the crops of the last pages, limited in bytes. A pickled copy starts empty."""

    def __init__(self, limit: int) -> None:
        self.limit, self._used_bytes = limit, 0
        self._pages: OrderedDict[int, dict[int, np.ndarray | str]] = OrderedDict()

    # Workers get a pickled split: do not send the cached pixels along.
    def __reduce__(self) -> tuple[type[_CropCache], tuple[int]]:
        return _CropCache, (self.limit,)

    def get(self, page: int) -> dict[int, np.ndarray | str] | None:
        if page in self._pages:
            self._pages.move_to_end(page)
        return self._pages.get(page)

    def put(self, page: int, crops: dict[int, np.ndarray | str]) -> dict[int, np.ndarray | str]:
        if (size := _nbytes(crops)) <= self.limit:
            self._pages[page] = crops
            self._used_bytes += size
        while self._used_bytes > self.limit:
            self._used_bytes -= _nbytes(self._pages.popitem(last=False)[1])
        return crops


def _nbytes(crops: dict[int, np.ndarray | str]) -> int:
    return sum(crop.nbytes for crop in crops.values() if not isinstance(crop, str))

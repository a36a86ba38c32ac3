"""JSON lines, the format of ocr-trainer itself: one image per row.

    {"image": "scans/a 1.jpg", "width": 720, "height": 1280, "split": "train",
     "words": [{"points": [[10, 10], [90, 10], [90, 30], [10, 30]], "text": "TOTAL", "ignore": false}]}

Only `image`, `words` and their `points` are required. For recognition, an image has a text, and the key of
its name may be that of MMOCR (`filename`) or of Hugging Face's image folders (`file_name`).

    {"image": "words/1.png", "text": "TOTAL", "split": "train", "ignore": false}

See the README for all keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.json_files import (
    Word,
    numbered,
    read_json_rows,
    read_words,
    shown,
    to_list,
    to_points,
    to_size,
    to_text,
)
from ocr_trainer.formats.listed import Annotated, ListedDataset
from ocr_trainer.formats.texts import is_usable
from ocr_trainer.plugin import DataReport, Task
from ocr_trainer.plugin.options import ExifOrientation

KEYS = ("image", "filename", "file_name")
"""Keys of the image name for recognition; a file uses one of them."""


class JsonLines(ListedDataset):
    """Datasets in JSON lines."""

    file_names = ("{split}.jsonl", "annotations/{split}.jsonl", "{split}/metadata.jsonl")
    whole_names = ("annotations.jsonl", "labels.jsonl", "metadata.jsonl", "label.jsonl", "old_label.jsonl")
    image_folders = (".",)

    def names(self, name: str) -> Iterable[str]:
        """Return the possible paths of an image; for recognition, its folder may be left out of the name."""
        return (name,) if self._task is Task.detection else (name, f"imgs/{name}", f"images/{name}")

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield the image of each row with its labels."""
        return self._pages(file) if self._task is Task.detection else self._texts(file)

    def _pages(self, file: Path) -> Iterator[Annotated]:
        for line, name, row in read_json_rows(file, self._data_report, key="image"):
            try:
                words, split, exif = to_list(row, "words"), _split(row), _exif(row)
            except ValueError as error:
                self._data_report.skip_image(f"{file}:{line}", str(error))
                continue
            labels = read_words(numbered("word", words), _word, self._data_report, file, line)
            labels.size = to_size(row.get("height"), row.get("width"))
            labels.exif = exif
            yield Annotated(name, labels, split)

    def _texts(self, file: Path) -> Iterator[Annotated]:
        for line, name, row in read_json_rows(file, self._data_report, _key(file)):
            self._data_report.read(labels=1)
            try:
                if "text" not in row:
                    words = ', only "words": use a detector, or dataset=crops'
                    raise ValueError(f'there is no "text"{words if "words" in row else ""}')
                text, ignore, split = to_text(row["text"]), _ignore(row), _split(row)
            except ValueError as error:
                self._data_report.skip_label(file, line, str(error))
                continue
            if not ignore and is_usable(text, self._data_report, file, line):
                yield Annotated(name, text, split, line)

    def _images(self, split: str) -> Path:
        """Return the folder of a split's images; for `metadata.jsonl`, the folder of the file."""
        file = self._files[split]
        beside = file.name == "metadata.jsonl" and not self._config.images
        return file.parent if beside else super()._images(split)


def _key(file: Path) -> str:
    """Return the key of the image names in a file, from the first row that has one."""
    for _, text in read_rows(file, DataReport()):
        with suppress(ValueError, RecursionError):  # rows that are not JSON are reported when they are read
            row = json.loads(text)
            if key := next((key for key in KEYS if isinstance(row, dict) and row.get(key)), None):
                return key
    return KEYS[0]


def _split(row: dict[str, Any]) -> str | None:
    split = row.get("split")
    if split not in (None, *SPLITS):
        raise ValueError(f"the split is not one of {', '.join(SPLITS)}: {shown(split)}")
    return split


def _exif(row: dict[str, Any]) -> ExifOrientation:
    value = row.get("exif_orientation", ExifOrientation.auto.value)
    names = [frame.value for frame in ExifOrientation]
    if value not in names:
        raise ValueError(f"exif_orientation is not one of {', '.join(names)}: {shown(value)}")
    return ExifOrientation(value)


def _ignore(value: dict[str, Any]) -> bool:
    ignore = value.get("ignore")
    if ignore not in (None, True, False):
        raise ValueError(f"ignore must be true or false: {shown(ignore)}")
    return bool(ignore)


def _word(word: dict[str, Any]) -> Word:
    ignore = _ignore(word)
    return Word(to_points(word.get("points")), to_text(word.get("text")), ignore)

"""FUNSD (Jaume et al. 2019): `form: [{text, box, words: [{text, box}]}]`, one file per form.

Boxes are [left, top, right, bottom]. An empty text marks a logo, a stamp or illegible text:
"don't care".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.json_files import (
    Word,
    has_key,
    numbered,
    read_json,
    read_words,
    to_list,
    to_text,
    xyxy_to_points,
)
from ocr_trainer.formats.paired import PairedDataset
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.marks import untranscribed
from ocr_trainer_json.plugin import FunsdConfig, Level


class Funsd(PairedDataset):
    """Scanned forms in `training_data` and `testing_data`."""

    exif = ExifOrientation.ignored
    _config: FunsdConfig

    suffixes = (".json",)
    folders = {  # noqa: RUF012 - a constant
        "train": [("training_data/images", "training_data/annotations")],
        "test": [("testing_data/images", "testing_data/annotations")],
    }

    def is_annotation(self, path: Path) -> bool:
        """Return whether a file has a list of labels."""
        return has_key(path, "form")

    def read(self, annotation: Path) -> Labels:
        """Read the labels of a form."""
        try:
            form = to_list(read_json(annotation), "form")
        except ValueError as error:
            raise DataError(f"'{annotation}' is not FUNSD: {error}") from error
        return read_words(self._items(form), self._word, self._data_report, annotation)

    def _items(self, form: list[Any]) -> Iterator[tuple[str, Any]]:
        """Yield the name, for messages, and the value of each element to detect."""
        for where, entity in numbered("entity", form):
            words = entity.get("words") if isinstance(entity, dict) else None
            # An entity without words becomes one label; otherwise its text would be learned as background.
            if self._config.level is Level.word and isinstance(words, list) and words:
                yield from numbered(f"{where.removesuffix(': ')}, word", words)
            else:
                yield where, entity

    def _word(self, item: dict[str, Any]) -> Word:
        text = to_text(item.get("text"))
        return Word(xyxy_to_points(item.get("box")), text, untranscribed(text, self._config))

"""PaddleOCR's label file: `name of image, tab, [{"transcription": …, "points": [[x, y], …]}, …]`.

As PaddleOCR's `DetLabelEncode` has it, the transcriptions `###` and `*` are "don't care"; other keys
of its annotation tool (`difficult`, `key_cls`) are not read. Names are relative to the root; leading folders
that do not exist are ignored, such as `train_data/icdar2015/…`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ocr_trainer.formats.json_files import (
    Word,
    numbered,
    read_json_rows,
    read_words,
    to_points,
    to_text,
)
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.marks import dont_care
from ocr_trainer_json.plugin import PaddleOcrConfig


class PaddleOcr(ListedDataset):
    """Datasets with PaddleOCR's label files."""

    exif = ExifOrientation.applied
    _config: PaddleOcrConfig

    file_names = ("{split}*label*.txt", "{split}.txt", "det/{split}.txt", "{split}/{split}.txt")
    whole_names = ("Label.txt", "label.txt", "det_gt.txt")
    image_folders = (".",)

    def names(self, name: str) -> Iterable[str]:
        """Yield the name, then the name without its leading folders, one folder at a time."""
        return path_suffixes(name)

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield the image of each row with its labels."""
        for line, name, words in read_json_rows(file, self._data_report):
            if not isinstance(words, list):
                self._data_report.skip_image(f"{file}:{line}", "there is no list of labels after the tab")
                continue
            yield Annotated(
                name, read_words(numbered("word", words), self._word, self._data_report, file, line)
            )

    def _word(self, word: dict[str, Any]) -> Word:
        text = to_text(word.get("transcription"), "transcription")
        return Word(to_points(word.get("points")), text, dont_care(text, self._config))

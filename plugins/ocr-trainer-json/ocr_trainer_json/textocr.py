"""TextOCR 0.1 (Singh et al. 2021): `imgs` and `anns` as in COCO-Text, one file per split.

The text "." marks illegible or non-English text: "don't care". The images of val are in the same folder as
those of train; test images have no labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import mark_reason
from ocr_trainer.formats.json_files import Word, pairs_to_points, to_text, xywh_to_points
from ocr_trainer.formats.json_streams import stream_members
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.formats.places import first_readable
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.coco import join
from ocr_trainer_json.marks import untranscribed
from ocr_trainer_json.plugin import TextOcrConfig

ILLEGIBLE = "."


class TextOcr(ListedDataset):
    """Photographs of OpenImages and their words."""

    _config: TextOcrConfig

    exif = ExifOrientation.ignored
    file_names = ("TextOCR_*_{split}.json", "textocr_{split}.json", "{split}.json")
    image_folders = (".",)

    def names(self, name: str) -> Iterable[str]:
        """Yield where an image may be: as named, or in the folder of its archive."""
        yield from path_suffixes(name)
        for folder in ("train_images", "train_val_images", "train_val_images/train_images", "images"):
            yield f"{folder}/{PurePosixPath(name).name}"

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield each image of the file with its labels."""
        images = 0
        pairs = stream_members(file, "imgs"), stream_members(file, "anns")
        for images, image in enumerate(join(*pairs, self._word, self._data_report, file), start=1):  # noqa: B007
            yield image._replace(split=None)  # the file is the split; its entries call some of val 'train'
        if not images:
            raise DataError(f"'{file}' is not TextOCR: there are no images \"imgs\"")

    def _word(self, annotation: dict[str, Any]) -> Word:
        text = to_text(annotation.get("utf8_string"), "utf8_string")
        reason = mark_reason(text) if text == ILLEGIBLE else untranscribed(text, self._config)
        points, box = annotation.get("points"), annotation.get("bbox")
        outline = first_readable(
            lambda: pairs_to_points(points),
            lambda: xywh_to_points(box) if box is not None else (),
        )
        return Word(outline, text, reason)

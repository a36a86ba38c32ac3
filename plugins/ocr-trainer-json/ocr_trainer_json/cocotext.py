"""COCO-Text v1 and v2 (Veit et al. 2016): one file with `imgs` and `anns` for train, val and test.

An outline is `mask` (v2) or `polygon` (v1), [x, y, x, y, …], or else `bbox`, [left, top, width, height].
Illegible text is "don't care". Labels of the test images are not published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.json_files import Word, pairs_to_points, shown, to_text, xywh_to_points
from ocr_trainer.formats.json_streams import stream_members
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.formats.places import Place, first_readable
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.coco import join
from ocr_trainer_json.marks import untranscribed
from ocr_trainer_json.plugin import CocoTextConfig


class CocoText(ListedDataset):
    """Photographs of COCO 2014 and their words."""

    exif = ExifOrientation.ignored
    _config: CocoTextConfig

    whole_names = ("cocotext*.json", "COCO_Text*.json", "annotations/cocotext*.json")
    image_folders = ("train2014", "images/train2014", "train_images", "images", ".")

    def names(self, name: str) -> Iterable[str]:
        """Yield the name, then the name without its leading folders, one folder at a time."""
        return path_suffixes(name)

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield each image of the file with its labels."""
        withheld, images = 0, 0
        pairs = stream_members(file, "imgs"), stream_members(file, "anns")
        for images, image in enumerate(join(*pairs, self._word, self._data_report, file), start=1):  # noqa: B007
            assert isinstance(image.labels, Labels)
            if image.split == "test" and not image.labels.texts:
                withheld += 1
            elif image.split not in (None, *SPLITS):
                self._data_report.skip_image(
                    file, f"{image.name}: its set is not one of {', '.join(SPLITS)}: {shown(image.split)}"
                )
            else:
                yield image
        if withheld:
            self._data_report.skip_image(file, f"{withheld} test images have no labels")
        if not images:
            raise DataError(f"'{file}' is not COCO-Text: there are no images \"imgs\"")

    def _word(self, annotation: dict[str, Any]) -> Word:
        text = to_text(annotation.get("utf8_string"), "utf8_string")
        illegible = "it is illegible" if annotation.get("legibility") == "illegible" else ""
        return Word(_outline(annotation), text, illegible or untranscribed(text, self._config))


def _outline(annotation: dict[str, Any]) -> Place:
    polygon, box = annotation.get("mask") or annotation.get("polygon"), annotation.get("bbox")
    return first_readable(
        lambda: pairs_to_points(polygon) if polygon else (),
        lambda: xywh_to_points(box) if box is not None else (),
    )

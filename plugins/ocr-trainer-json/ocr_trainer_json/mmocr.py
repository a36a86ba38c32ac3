"""MMOCR's JSON: for detection in three versions, for recognition in that of 1.x.

- OpenMMLab (1.x): `data_list: [{img_path, height, width, instances: [{polygon, bbox, ignore, text}]}]`;
  a bbox is [left, top, right, bottom]. For recognition, an image has one instance with its `text`.
- COCO-like (0.x): `images` and `annotations: [{image_id, segmentation, bbox, iscrowd}]`; a bbox is
  [left, top, width, height], and a crowd is "don't care".
- Rows (0.x, and its key information sets): an object {file_name, annotations} per image, where an
  annotation is as in COCO, or has a `box` of four corners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Points
from ocr_trainer.formats.json_files import (
    Word,
    numbered,
    pairs_to_points,
    read_json_rows,
    read_words,
    to_key,
    to_list,
    to_name,
    to_size,
    to_text,
    xywh_to_points,
    xyxy_to_points,
)
from ocr_trainer.formats.json_streams import stream_elements
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.formats.places import Place, bounding_box, first_readable
from ocr_trainer.plugin import Task
from ocr_trainer_json.coco import Keyed, join


class Mmocr(ListedDataset):
    """Datasets prepared for MMOCR."""

    file_names = (
        "textdet_{split}.json",
        "textspotting_{split}.json",
        "instances_{split}*.json",
        "annotations/instances_{split}*.json",
        "instances_{split}*.txt",
        "{split}.json",
        "{split}.txt",
    )
    whole_names = ("data.txt",)
    image_folders = (".",)

    def names(self, name: str) -> Iterable[str]:
        """Yield where an image may be: below the root or `imgs`, with or without its leading folders."""
        for tail in path_suffixes(name):
            yield from (tail, f"imgs/{tail}", f"textdet_imgs/{tail}", f"textrecog_imgs/{tail}")

    def _names(self, split: str) -> list[str]:
        """Return the file names of a split; a dataset may have files for both tasks."""
        if self._task is Task.detection:
            return super()._names(split)
        names = [f"textrecog_{split}.json", f"{split}.json"]
        return [*names, "labels.json"] if split == "train" else names

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield each image of a file of any form with its labels or text."""
        before = self._data_report.images
        if self._task is Task.recognition:
            yield from self._data_list(file)
        elif file.suffix == ".json":
            yield from self._data_list(file)
            if self._data_report.images == before:
                images = _by_id(stream_elements(file, "images"))
                annotations = _by_id(stream_elements(file, "annotations"))
                for image in join(images, annotations, _old_word, self._data_report, file):
                    yield image._replace(split=None)  # "set" is not a split here
        else:
            yield from self._rows(file)
        if self._data_report.images == before:
            raise DataError(f"'{file}' is not MMOCR's: it has no data_list, no images and no JSON rows")

    def _data_list(self, file: Path) -> Iterator[Annotated]:
        for number, entry in enumerate(stream_elements(file, "data_list"), start=1):
            self._data_report.read(images=1)
            try:
                name, instances = to_name(entry, "img_path"), to_list(entry, "instances")
            except ValueError as error:
                self._data_report.skip_image(file, f"image {number}: {error}")
                continue
            if self._task is Task.recognition:
                yield from self._text(name, instances, file)
                continue
            labels = read_words(numbered(f"{name}, instance", instances), _word, self._data_report, file)
            labels.size = to_size(entry.get("height"), entry.get("width"))
            yield Annotated(name, labels)

    def _text(self, name: str, instances: list[Any], file: Path) -> Iterator[Annotated]:
        """Yield the text of an image that shows one text, if it can be used."""
        self._data_report.read(labels=1)
        try:
            if any(isinstance(one, dict) and (one.get("polygon") or one.get("bbox")) for one in instances):
                raise ValueError("it is a page with positions of texts: use a detector, or dataset=crops")
            if len(instances) != 1 or not isinstance(instances[0], dict):
                raise ValueError(f"it has {len(instances)} instances instead of one with a text")
            text, ignore = to_text(instances[0].get("text")), instances[0].get("ignore") in (True, 1)
            if not (text or ignore):
                raise ValueError("the text is empty")
        except ValueError as error:
            self._data_report.skip_label(file, None, f"{name}: {error}")
            return
        if not ignore:
            yield Annotated(name, text)

    def _rows(self, file: Path) -> Iterator[Annotated]:
        for line, name, row in read_json_rows(file, self._data_report, key="file_name"):
            try:
                annotations = to_list(row, "annotations")
            except ValueError as error:
                self._data_report.skip_image(f"{file}:{line}", str(error))
                continue
            labels = read_words(numbered("annotation", annotations), _old_word, self._data_report, file, line)
            labels.size = to_size(row.get("height"), row.get("width"))
            yield Annotated(name, labels)


def _by_id(objects: Iterator[Any]) -> Iterator[Keyed]:
    for number, one in enumerate(objects, start=1):
        yield to_key(one.get("id", f"#{number}") if isinstance(one, dict) else f"#{number}"), one


def _word(instance: dict[str, Any]) -> Word:
    text, ignore = to_text(instance.get("text")), instance.get("ignore")
    polygon, box = instance.get("polygon"), instance.get("bbox")
    outline = first_readable(
        lambda: pairs_to_points(polygon) if polygon else (),
        lambda: xyxy_to_points(box) if box is not None else (),
    )
    return Word(outline, text, ignore in (True, 1))


def _old_word(annotation: dict[str, Any]) -> Word:
    text, crowd = to_text(annotation.get("text")), annotation.get("iscrowd")
    return Word(_old_outline(annotation), text, crowd in (True, 1))


def _old_outline(annotation: dict[str, Any]) -> Place:
    corners, box = annotation.get("box"), annotation.get("bbox")
    parts = annotation.get("segmentation")
    parts = parts if isinstance(parts, list) else []  # a dict is a run-length encoded bitmap
    return first_readable(
        lambda: pairs_to_points(corners) if corners else (),
        lambda: _only_part(parts),
        lambda: xywh_to_points(box) if box is not None else (),
        lambda: bounding_box([point for part in parts for point in pairs_to_points(part)]),
    )


def _only_part(parts: list[Any]) -> Points:
    if len(parts) > 1:
        raise ValueError(f"the segmentation has {len(parts)} parts, but a label has one")
    return pairs_to_points(parts[0]) if parts else ()

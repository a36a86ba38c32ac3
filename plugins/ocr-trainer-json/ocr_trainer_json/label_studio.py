"""Label Studio's JSON export: `[{data, annotations: [{result: [{id, type, value, original_width, …}]}]}]`.

The entries of a result with one `id` describe one region: its outline, its label, its text. Outlines are
in percent of the image, [x, y, width, height] turned clockwise by `rotation` degrees around the top left
corner, or `points`. JSON-MIN does not assign texts to regions, so it is rejected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ocr_trainer.data.images import is_image
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels, Points
from ocr_trainer.formats.json_files import (
    Word,
    read_words,
    shown,
    to_key,
    to_list,
    to_point,
    to_points,
    to_size,
    to_text,
)
from ocr_trainer.formats.json_streams import stream_elements
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.coco import Keyed
from ocr_trainer_json.marks import is_dont_care
from ocr_trainer_json.plugin import LabelStudioConfig

LISTS = ("annotations", "completions")
"""Keys of the annotations of a task; the second was used before version 1.0."""

UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""Prefix that Label Studio adds to the name of an uploaded file."""


class LabelStudio(ListedDataset):
    """Images annotated with Label Studio."""

    exif = ExifOrientation.applied
    _config: LabelStudioConfig

    file_names = ("{split}.json", "annotations/{split}.json")
    whole_names = ("project-*.json", "annotations.json", "tasks.json", "export*.json", "label_studio*.json")
    image_folders = ("images", "img", "upload", "media/upload", ".")

    def names(self, name: str) -> Iterable[str]:
        """Yield the name without its leading folders, one at a time, with and without the upload prefix."""
        for tail in path_suffixes(name.lstrip("/")):
            path = PurePosixPath(tail)
            yield from dict.fromkeys((tail, path.with_name(UPLOAD.sub("", path.name)).as_posix()))

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield each image of the export with its labels."""
        tasks = 0
        for tasks, task in enumerate(stream_elements(file), start=1):
            if tasks == 1 and not (isinstance(task, dict) and task.keys() & LISTS):
                raise DataError(
                    f"'{file}' is not Label Studio's: its tasks have no annotations\n"
                    "  if it is JSON-MIN, which does not assign texts to regions, export as JSON instead"
                )
            self._data_report.read(images=1)
            try:
                name, result = _image_name(task), self._result(task, f"task {tasks}", file)
            except ValueError as error:
                self._data_report.skip_image(file, f"task {tasks}: {error}")
                continue
            yield Annotated(name, self._labels(result, name, file))
        if not tasks:
            raise DataError(f"'{file}' is not Label Studio's: it is not a list of tasks")

    def _result(self, task: dict[str, Any], where: str, file: Path) -> list[Any]:
        """Return the result of a task's ground truth, or else of its last annotation."""
        every = to_list(task, next((key for key in LISTS if key in task), LISTS[0]))
        valid = [one for one in every if isinstance(one, dict) and not one.get("was_cancelled")]
        if not valid:
            raise ValueError("its annotation was cancelled" if every else "it is not annotated")
        chosen = next((one for one in valid if one.get("ground_truth") is True), valid[-1])
        for one in valid:
            if one is not chosen:
                self._data_report.read(labels=1)
                self._data_report.skip_label(
                    file,
                    None,
                    f"{where}: annotation {shown(one.get('id'))} is not used: the task has several",
                )
        return to_list(chosen, "result")

    def _labels(self, result: list[Any], name: str, file: Path) -> Labels:
        regions = list(_regions(result, name))
        labels = read_words(regions, self._word, self._data_report, file)
        labels.size = next((size for _, region in regions if (size := _size(region))), None)
        return labels

    def _word(self, region: dict[str, Any]) -> Word:
        texts = region["value"].get("text")
        parts = texts if isinstance(texts, list) else [texts]
        text = " ".join(filter(None, (to_text(part) for part in parts)))
        return Word(_outline(region), text, is_dont_care(text, self._config))


def _image_name(task: Any) -> str:
    """Return the name of a task's image, from its URL or its upload path."""
    data = task.get("data", task) if isinstance(task, dict) else None
    values = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    for value in values:
        address = urlsplit(value)
        local = parse_qs(address.query).get("d", [""])[0]  # /data/local-files/?d=folder/name.jpg
        for name in (local, unquote(address.path), value):
            if is_image(Path(name)):
                return name
    raise ValueError(f"its data has no image name: {', '.join(values)[:60] or 'nothing'}")


def _regions(result: list[Any], name: str) -> Iterator[Keyed]:
    """Yield each region, merged from the entries with its id; entries without a position are not regions."""
    regions: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(result, start=1):
        if not isinstance(entry, dict):
            yield f"{name}, entry {number}: ", entry
        elif isinstance(entry.get("value"), dict):
            region = regions.setdefault(to_key(entry.get("id", f"#{number}")), {"value": {}, "types": []})
            region["types"].append(shown(entry.get("type")))
            region["value"] |= entry["value"]
            region |= {key: value for key, value in entry.items() if key not in ("value", "types")}
    for key, region in regions.items():
        if region["value"].keys() & {"x", "points", "rle", "vertices"}:
            yield f"{name}, region {key}: ", region


def _size(region: Any) -> tuple[int, int] | None:
    if not isinstance(region, dict):
        return None
    return to_size(region.get("original_height"), region.get("original_width"))


def _outline(region: dict[str, Any]) -> Points:
    """Return the outline of a region in pixels, or raise a ValueError if it has none."""
    if (size := _size(region)) is None:
        raise ValueError("it has no original_width and original_height")
    if region.get("image_rotation"):
        raise ValueError("the image was rotated in Label Studio before the region was drawn")
    value = region["value"]
    if "points" in value:
        return [_pixels(point, size) for point in to_points(value["points"])]
    if not {"x", "y", "width", "height"} <= value.keys():
        raise ValueError(f"it is neither a rectangle nor a polygon but {' and '.join(region['types'])}")
    left, top = _pixels(to_point([value["x"], value["y"]]), size)
    right, down = _pixels(to_point([value["width"], value["height"]]), size)
    angle = math.radians(to_point([value.get("rotation") or 0, 0])[0])
    if not math.isfinite(angle):
        raise ValueError(f"the rotation {angle} is not an angle")
    cos, sin = math.cos(angle), math.sin(angle)
    # Clockwise on screen, because y points down. Rotate in pixels: in percent, corners would not stay square.
    corners = ((0.0, 0.0), (right, 0.0), (right, down), (0.0, down))
    return [(left + x * cos - y * sin, top + x * sin + y * cos) for x, y in corners]


def _pixels(percent: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    return percent[0] * size[1] / 100, percent[1] * size[0] / 100

"""Label Studio's JSON export: `[{data, annotations: [{result: [{id, type, value, original_width, …}]}]}]`.

The entries of a result with one `id` describe one region: its outline, its label, its text. Outlines are
in percent of the image, [x, y, width, height] turned clockwise by `rotation` degrees around the top left
corner, or `points`. JSON-MIN does not assign texts to regions, so it is rejected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ocr_trainer.data.listing import is_image_file
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
    xyxy_to_points,
)
from ocr_trainer.formats.json_streams import stream_elements
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.formats.names import composed
from ocr_trainer.formats.places import Place
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.brush import brush_box
from ocr_trainer_json.coco import Keyed
from ocr_trainer_json.marks import dont_care
from ocr_trainer_json.plugin import LabelStudioConfig
from ocr_trainer_runtime.images.kinds import is_image

LISTS = ("annotations", "completions")
"""Keys of the annotations of a task; the second was used before version 1.0."""

CORNERS = 32
"""Corners of the polygon that replaces an ellipse."""

UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""Prefix that Label Studio adds to the name of an uploaded file."""

NOT_KEPT = re.compile(r"[^-\w.]")
"""Characters that Label Studio removes from the name of an uploaded file, after blanks became `_`."""

CUT = re.compile(r"(.*)_[a-zA-Z0-9]{7}(\.\w+)")
"""Name of an uploaded file that was cut, without its prefix."""

PATH_LIMIT = 100
"""Longest path of an upload. Of a longer one, the name is cut and ends in `_` and seven random characters."""


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

    def _find(self, name: str, folder: str) -> str:
        """Return the path of an image: by its name, or by what Label Studio made of it at upload.

        Raises:
            DataError: If the image is missing, or several images may be meant.
        """
        base = PurePosixPath(name).name
        uploaded = UPLOAD.sub("", base)
        similar = self._cleaned(folder).get(composed(uploaded), []) if uploaded != base else []
        if len(similar) > 1 and not Path(folder, base).exists():
            raise DataError(
                f"it may be any of {_listed(similar)}, which Label Studio gives one name at upload"
            )
        try:
            return super()._find(name, folder)
        except DataError:
            similar = similar or self._cleaned(folder).get(composed(base), []) or self._cut(name, folder)
            if len(similar) == 1:
                self._path_guard.check(path := f"{folder}/{similar[0]}")
                return path
            if similar:
                raise DataError(f"it may be any of {_listed(similar)}: rename all but one") from None
            raise

    def _cleaned(self, folder: str) -> dict[str, list[str]]:
        """Return the images below a folder by the names that Label Studio gives them at upload."""
        if folder not in self._uploads:
            names: dict[str, list[str]] = {}
            for file in self._names_in(folder).files:
                if is_image_file(f"{folder}/{file}"):
                    names.setdefault(composed(cleaned(PurePosixPath(file).name)), []).append(file)
            self._uploads[folder] = names
        return self._uploads[folder]

    def _cut(self, name: str, folder: str) -> list[str]:
        """Return the images whose name Label Studio may have cut, because the path was too long."""
        path = name.removeprefix("/").removeprefix("data/")
        match = CUT.fullmatch(UPLOAD.sub("", PurePosixPath(name).name))
        if match is None or len(path) < PATH_LIMIT:
            return []
        start, suffix = composed(match[1]), match[2]
        known = self._cleaned(folder).items()
        return [f for key, files in known if key.startswith(start) and key.endswith(suffix) for f in files]

    @cached_property
    def _uploads(self) -> dict[str, dict[str, list[str]]]:
        return {}

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
                regions = list(_regions(result, name))
                _refuse_unplaced(regions)
            except ValueError as error:
                self._data_report.skip_image(file, f"task {tasks}: {error}")
                continue
            yield Annotated(name, self._labels(regions, name, file))
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

    def _labels(self, regions: list[Keyed], name: str, file: Path) -> Labels:
        labels = read_words(regions, self._word, self._data_report, file)
        labels.size = next((size for _, region in regions if (size := _size(region))), None)
        return labels

    def _word(self, region: dict[str, Any]) -> Word:
        texts = region["value"].get("text")
        parts = texts if isinstance(texts, list) else [texts]
        text = " ".join(filter(None, (to_text(part) for part in parts)))
        return Word(_outline(region), text, dont_care(text, self._config))


def cleaned(name: str) -> str:
    """Return the name that Label Studio gives an uploaded file, without its prefix (Django's rule)."""
    return NOT_KEPT.sub("", name.strip().replace(" ", "_"))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more


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


def _refuse_unplaced(regions: list[Keyed]) -> None:
    """Refuse an image with a region that nobody can place: its text would be learned as background.

    Raises:
        ValueError: There is one.
    """
    for where, region in regions:
        if isinstance(region, dict) and "value" in region and _size(region) is None:
            raise ValueError(f"{where}it has no original_width and original_height")
        if isinstance(region, dict) and region.get("image_rotation"):
            raise ValueError(f"{where}the image was rotated in Label Studio before the region was drawn")


def _outline(region: dict[str, Any]) -> Points | Place:
    """Return the outline of a region in pixels, or where it is; raise a ValueError if it has no place."""
    size, value = _size(region), region["value"]
    assert size is not None  # see `_refuse_unplaced`
    if "points" in value:
        return [_pixels(point, size) for point in to_points(value["points"])]
    if "vertices" in value:
        points = [_pixels(to_point([one.get("x"), one.get("y")]), size) for one in _vertices(value)]
        return points if value.get("closed") is True else _no_outline(points, region)
    if "rle" in value:
        left, top, right, bottom = brush_box(value["rle"], size)
        return Place((), xyxy_to_points([left, top, right, bottom]), "a brush has no outline")
    start = _pixels(to_point([value.get("x"), value.get("y")]), size)
    for sides, corners in ((("width", "height"), _rectangle), (("radiusX", "radiusY"), _ellipse)):
        if value.keys() >= set(sides):
            across, down = _pixels(to_point([value[side] for side in sides]), size)
            return _turned(start, corners(across, down), value.get("rotation"))
    return _no_outline([start], region)


def _no_outline(points: Points, region: dict[str, Any]) -> Place:
    kinds = " and ".join(region["types"])
    return Place(points, error=f"it is neither a rectangle nor a polygon but {kinds}")


def _vertices(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in to_list(value, "vertices")]


def _rectangle(right: float, down: float) -> Points:
    return (0.0, 0.0), (right, 0.0), (right, down), (0.0, down)


def _ellipse(across: float, down: float) -> Points:
    angles = (2 * math.pi * corner / CORNERS for corner in range(CORNERS))
    return [(across * math.cos(angle), down * math.sin(angle)) for angle in angles]


def _turned(start: tuple[float, float], corners: Points, degrees: Any) -> Points:
    """Return corners that are relative to a point, turned clockwise around it."""
    angle = math.radians(to_point([degrees or 0, 0])[0])
    if not math.isfinite(angle):
        raise ValueError(f"the rotation {angle} is not an angle")
    cos, sin = math.cos(angle), math.sin(angle)
    # Clockwise on screen, because y points down. Rotate in pixels: in percent, corners would not stay square.
    return [(start[0] + x * cos - y * sin, start[1] + x * sin + y * cos) for x, y in corners]


def _pixels(percent: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    return percent[0] * size[1] / 100, percent[1] * size[0] / 100

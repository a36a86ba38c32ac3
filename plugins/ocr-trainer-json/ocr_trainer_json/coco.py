"""COCO-like files: images, and annotations that refer to them, in any order and any number."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.json_files import Word, read_words, to_key, to_name, to_size
from ocr_trainer.formats.labeled import PackedLabels
from ocr_trainer.formats.listed import Annotated
from ocr_trainer.plugin import DataReport

Keyed = tuple[str, Any]
"""The name of a JSON value in messages, and the value."""


class _Image(NamedTuple):
    """The data of an image besides its labels."""

    name: str
    size: tuple[int, int] | None
    split: str | None


def join(
    images: Iterable[Keyed],
    annotations: Iterable[Keyed],
    parse: Callable[[dict[str, Any]], Word],
    data_report: DataReport,
    file: Path,
) -> Iterator[Annotated]:
    """Yield the images of a COCO-like file, each with the annotations whose `image_id` is its key."""
    places: dict[str, int] = {}
    found: list[_Image] = []
    for key, image in images:
        data_report.read(images=1)
        try:
            # TextOCR's page says "filename", its files say "file_name".
            name = to_name(
                image, "filename" if isinstance(image, dict) and "filename" in image else "file_name"
            )
        except ValueError as error:
            data_report.skip_image(file, f"image {key}: {error}")
            continue
        if key in places:
            data_report.skip_image(file, f"image {key}: its id is already in use")
            continue
        places[key] = len(found)
        found.append(_Image(name, to_size(image.get("height"), image.get("width")), image.get("set")))
    runs = _runs(annotations, places, [image.name for image in found], parse, data_report, file)
    for image, labels in zip(found, _gather(runs, len(found)), strict=True):
        labels.size = image.size
        yield Annotated(image.name, labels, image.split)


def _runs(
    annotations: Iterable[Keyed],
    places: dict[str, int],
    names: list[str],
    parse: Callable[[dict[str, Any]], Word],
    data_report: DataReport,
    file: Path,
) -> Iterator[tuple[int, Labels]]:
    """Yield the index of an image and its labels, for each run of consecutive annotations of one image."""

    def owner(one: Keyed) -> str:
        return to_key(one[1].get("image_id")) if isinstance(one[1], dict) else ""

    for key, run in groupby(annotations, owner):
        place = places.get(key)
        if place is None:
            for number, _ in run:
                data_report.read(labels=1)
                data_report.skip_label(
                    file,
                    None,
                    f"annotation {number}: {f'there is no image {key}' if key else 'it has no image_id'}",
                )
            continue
        name = names[place]
        items = ((f"{name}, annotation {number}: ", one) for number, one in run)
        yield place, read_words(items, parse, data_report, file)


def _gather(runs: Iterable[tuple[int, Labels]], count: int) -> Iterator[Labels]:
    """Yield the labels of each of `count` images; those of one image may be scattered over the file."""
    packed, owners = PackedLabels(), array("i")
    for owner, labels in runs:
        packed.append(labels)
        owners.append(owner)
    order = np.argsort(np.array(owners), kind="stable")
    ends = np.searchsorted(np.array(owners)[order], np.arange(count + 1))
    for first, last in pairwise(ends):
        together = Labels()
        for place in order[first:last]:
            labels = packed[place]
            together.polygons += labels.polygons
            together.texts += labels.texts
            together.ignore += labels.ignore
            together.reasons += labels.reasons
        yield together

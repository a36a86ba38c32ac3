"""labelme (Wada 2016): `shapes: [{label, points, shape_type, flags}]`, one file beside each image.

Polygons, rectangles (of two corners or four), oriented rectangles and circles enclose text; for a
mask, its box is used. Points, lines and line strips only tell where text is: they are "don't care". An image
and its file have the same name; `imagePath` is not read, because images are moved more often than renamed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels, Points
from ocr_trainer.formats.json_files import (
    Word,
    has_key,
    numbered,
    read_json,
    read_words,
    shown,
    to_list,
    to_points,
    to_size,
    to_text,
    xyxy_to_points,
)
from ocr_trainer.formats.paired import PairedDataset
from ocr_trainer.formats.places import Place
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_json.marks import dont_care
from ocr_trainer_json.plugin import LabelmeConfig

ENCLOSING = ("polygon", "rectangle", "oriented_rectangle", "rotation", "quadrilateral")
"""Types of shapes whose points are the corners of an outline."""

CORNERS = 32
"""Corners of the polygon that replaces a circle."""


class Labelme(PairedDataset):
    """Images annotated with labelme."""

    exif = ExifOrientation.applied
    _config: LabelmeConfig

    suffixes = (".json",)
    usual = (("images", "annotations"), ("images", "labels"), ("images", "labelme"), ("imgs", "labelme"))

    def is_annotation(self, path: Path) -> bool:
        """Return whether a file has a list of labels."""
        return has_key(path, "shapes")

    def read(self, annotation: Path) -> Labels:
        """Read the labels of an image."""
        document = read_json(annotation)
        try:
            shapes = to_list(document, "shapes")
        except ValueError as error:
            raise DataError(f"'{annotation}' is not labelme's: {error}") from error
        labels = read_words(numbered("shape", shapes), self._word, self._data_report, annotation)
        labels.size = to_size(document.get("imageHeight"), document.get("imageWidth"))
        return labels

    def _word(self, shape: dict[str, Any]) -> Word:
        text = to_text(shape.get(self._config.text_key), self._config.text_key)
        flags = shape.get("flags")
        flagged = isinstance(flags, dict) and any(
            flags.get(flag) is True for flag in self._config.ignore_flags
        )
        return Word(_outline(shape), text, flagged or dont_care(text, self._config))


def _outline(shape: dict[str, Any]) -> Points | Place:
    """Return the polygon of a shape, or where it is if it encloses nothing."""
    kind, points = shape.get("shape_type") or "polygon", to_points(shape.get("points"))
    if kind in ("rectangle", "mask") and len(points) == 2:
        return xyxy_to_points([*points[0], *points[1]])
    if kind == "circle" and len(points) == 2:
        return _circle(points)
    if kind in ENCLOSING:
        return points
    return Place(points, error=f"a shape of type '{shown(kind)}' with {len(points)} points encloses no text")


def _circle(points: Points) -> Points:
    """Return the circle around the first point and through the second."""
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    angles = (2 * math.pi * corner / CORNERS for corner in range(CORNERS))
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]

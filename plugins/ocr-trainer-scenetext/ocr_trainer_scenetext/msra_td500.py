"""MSRA-TD500 (Yao et al., *Detecting Texts of Arbitrary Orientations in Natural Images*, CVPR 2012)."""

from __future__ import annotations

import math

from ocr_trainer.formats.annotations import Points
from ocr_trainer.formats.rows import Row, RowDataset, box, excerpt, parse_number
from ocr_trainer.plugin.options import ExifOrientation

DIFFICULT = "difficult"
"""Takes the place of a text where the flag is set; the dataset has no texts."""


class MsraTd500(RowDataset):
    """`IMG_0030.JPG` and beside it `IMG_0030.gt`, in `train` and `test`.

    Rows are `index difficult x y width height angle`; difficult ones mean "don't care".
    """

    exif = ExifOrientation.ignored
    suffixes = (".gt",)
    prefixes = ("", "gt_")
    dont_care = frozenset({DIFFICULT})

    def dont_care_reason(self, text: str) -> str:
        """Return why a label is "don't care"."""
        return "it is flagged as difficult"

    def parse(self, row: str) -> Row:
        """Return the outline of a row, and `DIFFICULT` or an empty text."""
        fields = row.split()
        if len(fields) != 7:
            raise ValueError(f"not index difficult x y width height angle: {excerpt(row)}")
        _, difficult, *numbers = map(parse_number, fields)
        if not math.isfinite(numbers[-1]):
            raise ValueError(f"the angle {numbers[-1]} is not a finite number")
        return rotated(*numbers), DIFFICULT if difficult else ""


def rotated(x: float, y: float, width: float, height: float, angle: float) -> Points:
    """Return the corners of a box that is rotated about its center.

    Args:
        x: Left side before the rotation, in pixels.
        y: Top side before the rotation.
        width: Size along x before the rotation.
        height: Size along y before the rotation.
        angle: Rotation in radians, clockwise on the screen because y points down.
    """
    middle_x, middle_y = x + width / 2, y + height / 2
    cos, sin = math.cos(angle), math.sin(angle)
    return [
        (middle_x + cos * dx - sin * dy, middle_y + sin * dx + cos * dy)
        for dx, dy in box(-width / 2, -height / 2, width / 2, height / 2)
    ]

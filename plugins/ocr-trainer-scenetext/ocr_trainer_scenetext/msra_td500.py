"""MSRA-TD500 (Yao et al., *Detecting Texts of Arbitrary Orientations in Natural Images*, CVPR 2012)."""

from __future__ import annotations

import math

from ocr_trainer.formats.rows import Row, RowDataset, excerpt, parse_number, rotated
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
    corners = 0

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

"""Readers of `icdar2013`, `icdar2015`, `sroie` and `mtwi`: one file of rows per image.

The base class `RowDataset` matches files with images; each class here parses the rows of its competition.
"""

from __future__ import annotations

import re
from typing import ClassVar

from ocr_trainer.formats.rows import Row, RowDataset, box, excerpt, parse_corners, parse_points
from ocr_trainer.plugin.options import ExifOrientation

SEPARATOR = r"(?:\s*,\s*|\s+)"
LTRB = re.compile(r"\s*([^,\s]+)" + (SEPARATOR + r"([^,\s]+)") * 3 + f"(?:{SEPARATOR}(.*))?", re.DOTALL)
"""Four fields and an optional text, separated by commas, blanks or both."""


class Icdar2013(RowDataset):
    """ICDAR 2013 robust reading, challenge 2: axis-aligned boxes; `###` is "don't care".

    Rows are `38 43 920 215 "Tiredness"` in the training set and `38, 43, 920, 215, "Tiredness"` in the test
    set: left, top, right, bottom and a text in quotes.
    """

    exif = ExifOrientation.ignored
    corners = 4
    prefixes = ("gt_", "")
    folders: ClassVar = {
        "train": [
            ("Challenge2_Training_Task12_Images", "Challenge2_Training_Task1_GT"),
            ("train_images", "train_gts"),
        ],
        "test": [
            ("Challenge2_Test_Task12_Images", "Challenge2_Test_Task1_GT"),
            ("test_images", "test_gts"),
        ],
    }

    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row."""
        if not (match := LTRB.fullmatch(row)):
            raise ValueError(f'not left, top, right, bottom, "TEXT": {excerpt(row)}')
        *sides, text = match.groups()
        ((left, top), (right, bottom)) = parse_points(sides)
        return box(left, top, right, bottom), _unquoted((text or "").strip())


class Icdar2015(RowDataset):
    """ICDAR 2015 robust reading, challenge 4; `###` is "don't care"."""

    prefixes = ("gt_", "")
    folders: ClassVar = {
        "train": [
            ("ch4_training_images", "ch4_training_localization_transcription_gt"),
            ("train_images", "train_gts"),
        ],
        "test": [
            ("ch4_test_images", "Challenge4_Test_Task1_GT"),
            ("ch4_test_images", "ch4_test_localization_transcription_gt"),
            ("test_images", "test_gts"),
        ],
    }

    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row."""
        return parse_corners(row)


class Sroie(RowDataset):
    """ICDAR 2019 SROIE; a text of asterisks only, such as for a Chinese line, is "don't care"."""

    exif = ExifOrientation.ignored
    suffixes = (".csv", ".txt")
    usual: ClassVar = [("img", "box"), ("images", "box"), ("images", "annotations"), ("images", "gt")]

    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row."""
        return parse_corners(row)

    def is_ignored(self, text: str) -> bool:
        """Return, by its text, whether a label is "don't care"."""
        return bool(text) and not text.strip("*")

    def dont_care_reason(self, text: str) -> str:
        """Return why a label is "don't care"."""
        return "a text of asterisks means don't care"


class Mtwi(RowDataset):
    """ICPR 2018 MTWI: text lines in web images, corners with decimals; `###` is "don't care"."""

    exif = ExifOrientation.ignored
    folders: ClassVar = {"train": [("image_train", "txt_train")]}

    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row."""
        return parse_corners(row)


def _unquoted(text: str) -> str:
    """Return a text without its enclosing quotes; quotes inside may be escaped with a backslash."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.replace('\\"', '"')

"""Total-Text (Ch'ng et al., *Total-Text: Toward Orientation Robustness in Scene Text Detection*, IJDAR
2020), in the formats that its authors and others distribute.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import ClassVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels, Points
from ocr_trainer.formats.rows import Row, RowDataset, excerpt, parse_points, parse_polygon
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_scenetext.mat import Value, read_cells

RECORD = re.compile(
    r"\s*x:\s*\[\[([^\]]*)\]\]\s*,\s*y:\s*\[\[([^\]]*)\]\]\s*,"
    r"\s*ornt:\s*\[([^\]]*)\]\s*,\s*transcriptions:\s*(\[.*\])\s*",
    re.DOTALL,
)
"""`x: [[…]], y: [[…]], ornt: [u'c'], transcriptions: [u'TEXT']`"""

TEXT_LIMIT = 1 << 16
"""Characters or numbers of a word. To parse a longer one could take a hundred times its size in memory."""

VARIABLES = ("polygt", "gt")
"""Names of MATLAB's cell array: in the dataset, and from the authors' annotation tool."""


def _folders(split: str) -> list[tuple[str, str]]:
    images = [f"{folder}Images/{split}" for folder in ("", "totaltext/")]
    ground_truths = (
        "Groundtruth/Polygon",
        "groundtruth_text/Groundtruth/Polygon",
        "txt_format",
        "Txt_format",
    )
    return list(product(images, [f"{folder}/{split}" for folder in ground_truths]))


class TotalText(RowDataset):
    """Words as polygons. The texts `#` and `###` and the orientation `#` mean "don't care".

    An annotation is a MATLAB file (`poly_gt_img1.mat`), a file of records (`poly_gt_img1.txt`), or rows
    `x1,y1,…,xn,yn,TEXT` (`img1.jpg.txt`, from the authors of DB).
    """

    exif = ExifOrientation.ignored
    suffixes = (".txt", ".mat")
    prefixes = ("poly_gt_", "gt_", "")
    dont_care = frozenset({"#", "###"})
    folders: ClassVar = {
        "train": [*_folders("Train"), ("train_images", "train_gts")],
        "test": [*_folders("Test"), ("test_images", "test_gts")],
    }

    def read(self, annotation: Path) -> Labels:
        """Read one annotation file. A label that cannot be used is recorded as skipped.

        Raises:
            DataError: If the file cannot be read, or is a damaged MATLAB file.
        """
        if annotation.suffix.lower() != ".mat":
            return super().read(annotation)
        labels = Labels()
        arrays = [rows for name, rows in read_cells(annotation).items() if name in VARIABLES]
        if not arrays:
            raise DataError(f"'{annotation}' has no cell array named {' or '.join(VARIABLES)}")
        for number, row in enumerate(arrays[0], start=1):
            try:
                points, text = parse_cells(row)
            except ValueError as fault:
                self._data_report.read(labels=1)
                self._data_report.skip_label(annotation, None, f"word {number}: {fault}")
                continue
            self.add(labels, points, text, annotation, None, where=f"word {number}: ")
        return labels

    def rows(self, annotation: Path) -> Iterator[tuple[int, str]]:
        """Yield each row or record with its first line number. A long record spans several lines."""
        start, record = 0, list[str]()
        for line, row in super().rows(annotation):
            starts = row.lstrip().startswith("x:")
            if record and not starts:
                record.append(row)
                continue
            if record:
                yield start, "\n".join(record)
            start, record = line, [row] if starts else []
            if not starts:
                yield line, row
        if record:
            yield start, "\n".join(record)

    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row or a record."""
        return parse_record(row) if row.lstrip().startswith("x:") else parse_polygon(row)


def parse_record(row: str) -> Row:
    """Parse `x: [[1 9 …]], y: [[2 3 …]], ornt: [u'c'], transcriptions: [u'TEXT']`.

    Raises:
        ValueError: If the record has another form.
    """
    if not (match := RECORD.fullmatch(row)):
        raise ValueError(f"not x: [[…]], y: [[…]], ornt: […], transcriptions: […]: {excerpt(row)}")
    xs, ys, orientation, texts = match.groups()
    if len(texts) > TEXT_LIMIT:
        raise ValueError(f"{len(texts):,} characters are no text of a word")
    points = _points(re.findall(r"[^\s,]+", xs), re.findall(r"[^\s,]+", ys))
    return points, "#" if "#" in orientation else _literal(texts)


def parse_cells(row: list[Value]) -> Row:
    """Return the outline and the text of `x: | xs | y: | ys | text | orientation`.

    Raises:
        ValueError: If the row has another form.
    """
    if len(row) < 5:
        raise ValueError("not x:, xs, y:, ys, text, orientation")
    (_, xs, _, ys, text), orientation = row[:5], row[5:6]
    if max(map(len, (xs, ys, text))) > TEXT_LIMIT:
        raise ValueError(f"{max(map(len, (xs, ys, text))):,} values are too many for a word")
    if isinstance(text, list):  # MATLAB stores a text such as 1966 as a number, and an empty one as []
        text = " ".join(f"{number:g}" for number in text)
    return _points(list(map(str, xs)), list(map(str, ys))), "#" if orientation == ["#"] else text.strip()


def _points(xs: list[str], ys: list[str]) -> Points:
    if len(xs) != len(ys):
        raise ValueError(f"{len(xs)} x and {len(ys)} y coordinates do not match")
    return parse_points(field for point in zip(xs, ys, strict=True) for field in point)


def _literal(texts: str) -> str:
    """Return the text of a list in Python 2's notation.

    Raises:
        ValueError: If it is not a list of texts.
    """
    try:
        found = ast.literal_eval(texts)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        found = None
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"not a text in brackets and quotes: {excerpt(texts)}")
    return " ".join(found).strip()

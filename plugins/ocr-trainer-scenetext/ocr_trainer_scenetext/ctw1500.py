"""SCUT-CTW1500 (Liu et al., *Curved Scene Text Detection via Transverse and Longitudinal Sequence
Connection*, Pattern Recognition 2019), in the three formats of its releases.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels, Points
from ocr_trainer.formats.places import first_readable
from ocr_trainer.formats.rows import NUMBER, Row, RowDataset, box, excerpt, parse_number, parse_points
from ocr_trainer.formats.xml_files import Element, read_elements
from ocr_trainer.plugin.options import ExifOrientation

COORDINATES = 28
"""Numbers per outline: 14 points."""
MARK = "####"
"""Precedes the text in the test set."""


class Ctw1500(RowDataset):
    """`0001.xml` for the training images, `0001001.txt` for `1001.jpg`; `###` means "don't care".

    Rows are `x1,y1,…,x14,y14,####TEXT`, with or without the mark, or the 32 numbers of the first release:
    left, top, right and bottom of an upright box, and 14 points relative to its top left corner.
    """

    exif = ExifOrientation.ignored
    suffixes = (".xml", ".txt")
    corners = 4  # further ones may be relative to these
    prefixes = ("", "000", "gt_")
    folders: ClassVar = {
        "train": [
            ("train_images", "ctw1500_train_labels"),
            ("train_images", "train_labels"),
            ("train/text_image", "ctw1500_train_labels"),
            ("train/text_image", "train/text_label_curve"),
            ("imgs/training", "annotations/training"),
        ],
        "test": [
            ("test_images", "gt_ctw1500"),
            ("test_images", "ctw1500_test_labels"),
            ("test_images", "test_labels"),
            ("test/text_image", "gt_ctw1500"),
            ("test/text_image", "test/text_label_circum"),
            ("test/text_image", "test/text_label_curve"),
            ("imgs/test", "annotations/test"),
        ],
    }

    def is_annotation(self, path: Path) -> bool:
        """Return whether an XML file is CTW1500's or cannot be read; other files are taken for its own."""
        with suppress(DataError):
            return path.suffix.lower() != ".xml" or any(e.tag == "image" for e in read_elements(path))
        return True

    def read(self, annotation: Path) -> Labels:
        """Read one annotation file. A label that cannot be used is recorded as skipped.

        Raises:
            DataError: If the file cannot be read, or is XML that is damaged or not CTW1500's.
        """
        if annotation.suffix.lower() != ".xml":
            return super().read(annotation)
        labels = Labels()
        for element in boxes(annotation):
            texts = {child.tag: child.text for child in element.children}
            try:
                outline = first_readable(
                    partial(parse_points, texts.get("segs", "").split(",")), partial(_upright, element)
                )
            except ValueError as fault:
                self._data_report.read(labels=1)
                self._data_report.skip_label(annotation, element.line, str(fault))
                continue
            self.add(labels, outline, texts.get("label", "").strip(), annotation, element.line)
        return labels

    def parse(self, row: str) -> Row:
        """Return the outline and the text of a row."""
        outline, mark, text = row.partition(f",{MARK}")
        if mark:
            return parse_points(outline.split(",")), text.strip()
        fields = row.split(",")
        if len(fields) == COORDINATES + 4 and all(map(NUMBER.fullmatch, fields)):
            (left, top), _, *offsets = parse_points(fields)
            return [(left + x, top + y) for x, y in offsets], ""
        if len(fields) < COORDINATES:
            raise ValueError(f"not x1,y1,…,x14,y14,{MARK}TEXT: {excerpt(row)}")
        return parse_points(fields[:COORDINATES]), ",".join(fields[COORDINATES:]).strip()


def boxes(path: Path) -> list[Element]:
    """Return each `<box>` of an XML file.

    Raises:
        DataError: If the file cannot be read, is damaged, or is not CTW1500's.
    """
    elements = read_elements(path)
    if all(element.tag != "image" for element in elements):  # other XML would pass for an image without text
        raise DataError(f"'{path}' has no <image>: it is XML, but not CTW1500's")
    return [element for element in elements if element.tag == "box"]


def _upright(element: Element) -> Points:
    """Return the upright box of a `<box>`, which it has besides the outline; empty if it has none."""
    names = ("left", "top", "width", "height")
    if not element.attributes.keys() >= set(names):
        return ()
    left, top, width, height = (parse_number(element.attributes[name]) for name in names)
    return box(left, top, left + width, top + height)

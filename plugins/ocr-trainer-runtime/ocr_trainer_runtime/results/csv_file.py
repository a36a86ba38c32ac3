"""Writer of CSV (RFC 4180): a row per text, in reading order, for all images in one file.

A spreadsheet runs a field that begins with `=`, `+`, `-` or `@` as a formula, and an image may show such a
text. By default, such a text gets an apostrophe in front unless it is a number, as OWASP recommends ("CSV
Injection").
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ocr_trainer_runtime.results.markup import unit
from ocr_trainer_runtime.results.tsv import SEPARATORS
from ocr_trainer_runtime.results.writer import Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word

COLUMNS = (
    *("image", "page", "block", "line", "word"),
    *("left", "top", "right", "bottom", "score", "confidence", "text"),
)
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
NUMBER = re.compile(r"[+-]?[\d.,' ]*\d%?")
"""A number with or without a sign, in the notation of any country."""


def write(page: Page, formulas: bool = False) -> str:
    """Return a page as CSV, with a row of column names.

    Boxes are in pixels of the image with its EXIF orientation applied. `page`, `block`, `line` and `word`
    count from 1; `page` is empty for an image. `score` is the detector's confidence and `confidence` the
    recognizer's, both from 0 to 1. Control characters in texts become spaces.

    Args:
        page: Results for an image.
        formulas: Keep texts unchanged that a spreadsheet takes for formulas.
    """
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    for row in _rows(page):
        rows.writerow(row if formulas else [_harmless(field) for field in row])
    return file.getvalue()


class CsvWriter(Writer):
    """The format `csv`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the row of column names and the rows of a page; see the function `write`."""
        config: Any = self.config
        return write(page, config.formulas)

    def join(self, files: Mapping[str, Path], joined: BinaryIO) -> None:
        """Write the column names and the rows of all files."""
        for number, path in enumerate(files.values()):
            with path.open("rb") as file:
                if number:
                    file.readline()
                shutil.copyfileobj(file, joined)


def _rows(page: Page) -> Iterator[list[str]]:
    number = str(page.number or "")
    for b, block in enumerate(page.blocks, start=1):
        for n, line in enumerate(block, start=1):
            for w, word in enumerate(line, start=1):
                yield [SEPARATORS.sub(" ", page.source), number, f"{b}", f"{n}", f"{w}", *_fields(word)]


def _fields(word: Word) -> list[str]:
    box = [*word.polygon.min(axis=0).tolist(), *word.polygon.max(axis=0).tolist()]
    confidence = unit(word.confidence) if word.reading else ""
    return [*(f"{side:.1f}" for side in box), unit(word.score), confidence, SEPARATORS.sub(" ", word.text)]


def _harmless(field: str) -> str:
    """Return the field, with an apostrophe if a spreadsheet would take it for a formula."""
    return f"'{field}" if FORMULA.match(field) and not NUMBER.fullmatch(field.strip()) else field

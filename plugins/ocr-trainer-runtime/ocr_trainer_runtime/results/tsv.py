"""Writer of TSV with the columns of Tesseract: a row for the page and each block, paragraph, line and word.

Boxes refer to the image with its EXIF orientation applied; the format has no place to say so.
Read it as Tesseract's: nothing is quoted (`csv.QUOTE_NONE`). With a line detector, each word row holds a
whole line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from ocr_trainer_runtime.results.outline import Outline, box, hull, outline
from ocr_trainer_runtime.results.writer import Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word

COLUMNS = (
    *("level", "page_num", "block_num", "par_num", "line_num", "word_num"),
    *("left", "top", "width", "height", "conf", "text"),
)
# Characters that would end the row or the field, for some reader at least.
SEPARATORS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Level(IntEnum):
    """What a row describes."""

    page = 1
    block = 2
    paragraph = 3
    line = 4
    word = 5


def write(page: Page) -> str:
    """Return a page as TSV. A block is one paragraph.

    Numbers count from 1; those of finer levels than the row's are 0. Boxes are in pixels. `conf` is the
    recognizer's confidence of a word in percent, the mean of its characters', and -1 in all other rows and
    without a recognizer.
    """
    rows = ["\t".join(COLUMNS), *_rows(page)]
    return "".join(f"{row}\n" for row in rows)


class TsvWriter(Writer):
    """The format `tsv`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page)


def _rows(page: Page) -> Iterator[str]:
    yield _row(page, Level.page, (), np.array([(0, 0), (page.width, page.height)]))
    for b, lines in enumerate(page.blocks, start=1):
        points = hull(outline(text, page) for line in lines for text in line)
        yield _row(page, Level.block, (b,), points)
        yield _row(page, Level.paragraph, (b, 1), points)
        for n, texts in enumerate(lines, start=1):
            yield _row(page, Level.line, (b, 1, n), hull(outline(text, page) for text in texts))
            for w, text in enumerate(texts, start=1):
                yield _row(page, Level.word, (b, 1, n, w), outline(text, page), text)


def _row(page: Page, level: Level, numbers: Sequence[int], points: Outline, text: Word | None = None) -> str:
    """Return one row; `numbers` count block, paragraph, line and word, as far as the level goes."""
    left, top, right, bottom = box(points)
    fields = [
        int(level),
        page.number or 1,
        *numbers,
        *[0] * (4 - len(numbers)),
        left,
        top,
        right - left,
        bottom - top,
    ]
    conf, words = "-1", ""
    if text is not None and text.reading is not None:
        conf = f"{100 * text.confidence:.2f}"
        words = SEPARATORS.sub(" ", text.text)
    return "\t".join([*map(str, fields), conf, words])

"""Writer of plain text: a row per line of the page, an empty row between blocks."""

from __future__ import annotations

from ocr_trainer.data.types import Image
from ocr_trainer.results.page import Page
from ocr_trainer.results.writer import Writer


def write(page: Page) -> str:
    """Return the recognized texts in reading order; characters are in logical order.

    Texts that were recognized as empty are omitted.
    """
    blocks = []
    for block in page.blocks:
        rows = (" ".join(text.words for text in line if text.words) for line in block)
        blocks.append("".join(f"{row}\n" for row in rows if row))
    return "\n".join(block for block in blocks if block)


class TextWriter(Writer):
    """The format `text`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page)

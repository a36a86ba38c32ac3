"""Writer of plain text: a row per line of the page, an empty row between blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_trainer_runtime.results.writer import Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page


def write(page: Page) -> str:
    """Return the recognized texts in reading order; characters are in logical order.

    Texts that were recognized as empty are omitted.
    """
    return f"{page.text}\n" if page.text else ""


class TextWriter(Writer):
    """The format `text`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page)

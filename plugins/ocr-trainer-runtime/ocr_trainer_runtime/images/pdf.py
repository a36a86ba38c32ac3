"""PDF as input: its pages as images, which PDFium renders one at a time.

The package pypdfium2 (Apache-2.0 or BSD-3-Clause) brings PDFium, the renderer of Chrome. It comes with
`pip install 'ocr-trainer-runtime[pdf]'` and is imported when the first PDF is opened.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ocr_trainer_runtime.errors import ConfigError, DataError
from ocr_trainer_runtime.images.read import PIXEL_LIMIT
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

DPI = 300.0
"""Pixels per inch at which pages are rendered: letters of 10 points are about 30 pixels high."""
DPI_LIMITS = 10, 2400
PAGE_LIMIT = 10_000
"""Largest number of pages. A page can stand in a file a million times, in a few bytes each."""
HEAD = 1024
"""The marker of a PDF may stand anywhere in this many first bytes."""
POINTS = 72
"""Units of a PDF per inch."""

PASSWORD = 4
"""PDFium's code of a file that asks for a password."""

_LOCK = threading.RLock()
"""PDFium is not thread-safe: one thread reads ahead while others may render for other readers."""


def check_dpi(dpi: float, name: str) -> None:
    """Refuse a resolution out of range.

    Raises:
        ConfigError: It is; the message has this name.
    """
    if not DPI_LIMITS[0] <= dpi <= DPI_LIMITS[1]:
        raise ConfigError(f"{name} must be at least {DPI_LIMITS[0]} and at most {DPI_LIMITS[1]}, not {dpi:g}")


def is_pdf(head: bytes) -> bool:
    """Return whether a file is a PDF, by its first `HEAD` bytes."""
    return b"%PDF-" in head[:HEAD]


def count_pages(pdf: Path | bytes, source: Path | str) -> int:
    """Return the number of pages of a PDF.

    Args:
        pdf: The file, or its content.
        source: Its name in messages.

    Raises:
        DataError: pypdfium2 is missing, or the PDF cannot be used: it is damaged or encrypted, or has no
            pages or more than `PAGE_LIMIT`.
    """
    with _opened(pdf, source) as document:
        count = len(document)
    if not count:
        raise DataError(f"cannot read the PDF '{source}': it has no pages, or is damaged")
    if count > PAGE_LIMIT:
        raise DataError(f"cannot read the PDF '{source}': it has {count:,} pages, more than {PAGE_LIMIT:,}")
    return count


def render(pdf: Path | bytes, source: Path | str, number: int, dpi: float) -> Image:
    """Return a page as an image, on white, with its annotations and what is filled into its forms.

    Args:
        pdf: The file, or its content.
        source: Its name in messages.
        number: The page, from 1.
        dpi: Pixels per inch.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: The page cannot be rendered, or has more pixels than an image may have.
    """
    from pypdfium2 import PdfiumError

    with _opened(pdf, source) as document:
        try:
            document.init_forms()
            page = document[number - 1]
            # Sizes are rounded up; what is above a whole number by an error of float32 is not more than it.
            scale = dpi / POINTS * (1 - 1e-6)
            width, height = (max(1, ceil(side * scale)) for side in page.get_size())
            if width * height > PIXEL_LIMIT:
                raise DataError(
                    f"cannot read page {number} of the PDF '{source}': at {dpi:g} dpi it has"
                    f" {width} x {height} pixels, more than {PIXEL_LIMIT:,}: choose a lower resolution"
                )
            bitmap = page.render(scale=scale, rev_byteorder=True)
            pixels: Image = np.ascontiguousarray(bitmap.to_numpy()[..., :3]).copy()
            return pixels
        except (PdfiumError, IndexError, ValueError) as error:
            raise DataError(
                f"cannot read page {number} of the PDF '{source}': it is damaged ({error})"
            ) from error


@contextmanager
def _opened(pdf: Path | bytes, source: Path | str) -> Iterator[PdfDocument]:
    """Open a PDF, for one thread at a time.

    It is opened anew for each page, so that no file stays open for as long as somebody keeps a page.
    """
    try:
        import pypdfium2
    except ImportError as error:
        raise DataError(
            f"cannot read the PDF '{source}': PDFs need the package pypdfium2:"
            " pip install 'ocr-trainer-runtime[pdf]'"
        ) from error
    try:
        file: BinaryIO = pdf.open("rb") if isinstance(pdf, Path) else io.BytesIO(pdf)
    except OSError as error:
        raise DataError(f"cannot read the PDF '{source}': {error.strerror}") from error
    with file, _LOCK:
        try:
            document = pypdfium2.PdfDocument(file)
        except pypdfium2.PdfiumError as error:
            raise DataError(f"cannot read the PDF '{source}': {_reason(file, error.err_code)}") from error
        # Closes its pages and bitmaps, too, and while this thread holds the lock.
        with document:
            yield document


def _reason(file: BinaryIO, code: int | None) -> str:
    if code == PASSWORD:
        return "it asks for a password: save it without one"
    file.seek(0)
    return "it is damaged" if file.read(1) else "the file is empty"

"""Files of several images: the pages of a PDF, and those of a TIFF."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocr_trainer_runtime.errors import DataError
from ocr_trainer_runtime.images import pdf, tiff_pages
from ocr_trainer_runtime.images.inputs import GivenImage
from ocr_trainer_runtime.images.read import decode_image
from ocr_trainer_runtime.types import Image


class _Page(GivenImage):
    """A page of a document."""

    def __init__(self, document: GivenImage, number: int) -> None:
        """Store the document and the number of the page, from 1."""
        super().__init__(document.given, str(document.source))
        self.number = number

    def content(self) -> None:
        """Return None: the page is no file of its own."""


class PdfPage(_Page):
    """A page of a PDF. It is rendered when it is needed."""

    def __init__(self, document: GivenImage, number: int, dpi: float) -> None:
        """Store the document, the number of the page, from 1, and its resolution in pixels per inch."""
        super().__init__(document, number)
        self.dpi = dpi

    def _read(self) -> Image:
        assert self.number is not None
        assert self.dpi is not None
        return pdf.render(_file(self.given), self.source, self.number, self.dpi)


class TiffPage(_Page):
    """A page of a TIFF that has several."""

    def __init__(self, document: GivenImage, number: int, offset: int) -> None:
        """Store the document, the number of the page, from 1, and where its directory begins."""
        super().__init__(document, number)
        self._offset = offset

    def _read(self) -> Image:
        self.notes.clear()
        file = _file(self.given)
        try:
            data = file.read_bytes() if isinstance(file, Path) else file
        except OSError as error:
            raise DataError(f"cannot read the image '{self.source}': {error.strerror}") from error
        return decode_image(tiff_pages.single(data, self._offset), self.label, self.notes)


class Unusable(GivenImage):
    """A document without any page to read; asking for its image raises the reason."""

    def __init__(self, document: GivenImage, reason: DataError) -> None:
        """Store the document, and why it cannot be used."""
        super().__init__(document.given, str(document.source))
        self._reason = reason

    def _read(self) -> Image:
        raise self._reason


def pages_of(image: GivenImage, dpi: float = pdf.DPI) -> Sequence[GivenImage] | None:
    """Return the pages of a document: of a PDF, or of a TIFF of several pages. None for an image.

    Args:
        image: An image or a document.
        dpi: Resolution at which the pages of a PDF are rendered, in pixels per inch.

    Raises:
        DataError: It is a PDF that cannot be used.
    """
    if not isinstance(image.given, str | os.PathLike | bytes | bytearray | memoryview):
        return None
    file = _file(image.given)
    try:
        head = _head(file)
    except (OSError, ValueError):
        return None  # reading it as an image says why
    if pdf.is_pdf(head) or (isinstance(file, Path) and file.suffix.lower() == ".pdf"):
        count = pdf.count_pages(file, image.source)
        return [PdfPage(image, number, dpi) for number in range(1, count + 1)]
    offsets = tiff_pages.offsets(file)
    if len(offsets) < 2:
        return None
    return [TiffPage(image, number, offset) for number, offset in enumerate(offsets, start=1)]


def expanded(image: GivenImage, dpi: float = pdf.DPI) -> Sequence[GivenImage]:
    """Return the pages of a document, or an image by itself; of an unusable document, an `Unusable`."""
    try:
        pages = pages_of(image, dpi)
    except DataError as error:
        return [Unusable(image, error)]
    return [image] if pages is None else pages


def _file(given: Any) -> Path | bytes:
    return bytes(given) if isinstance(given, bytes | bytearray | memoryview) else Path(given)


def _head(file: Path | bytes) -> bytes:
    if isinstance(file, bytes):
        return file[: pdf.HEAD]
    with file.open("rb") as opened:
        return opened.read(pdf.HEAD)

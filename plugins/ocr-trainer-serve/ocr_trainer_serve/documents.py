"""Read the content of a file and write the content of the answer, in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import ocr_trainer_runtime as ocr
from ocr_trainer_runtime.images import pdf, read
from ocr_trainer_runtime.images.kinds import kind_of
from ocr_trainer_serve import results


class Refused(Exception):
    """A file is refused; `status` is the status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Result(NamedTuple):
    """The content of an answer, and its counts for the metrics."""

    content: bytes
    kind: results.Kind
    pages: int
    words: int


def limit_pixels(most: int) -> None:
    """Limit the pixels of images in this process; the check is before decoding.

    The runtime has one limit for all readers of a process, and a worker is a process with one reader.
    """
    for module in (read, pdf):
        vars(module)["PIXEL_LIMIT"] = most


def read_document(
    reader: ocr.Reader, content: bytes, job: Mapping[str, Any], settings: Mapping[str, Any]
) -> Result:
    """Read a file and write the result.

    Args:
        reader: The models.
        content: The content of an image, a PDF, or a TIFF with several pages.
        job: `format`, `dpi` and `preview`, as in the query of a request.
        settings: The settings of the service.

    Raises:
        Refused: The file is neither an image nor a PDF, or has too many pages.
        OcrTrainerError: The file cannot be read.
    """
    if pdf.is_pdf(content):
        _check_pages(pdf.count_pages(content, "the file"), settings)
    elif kind_of(content[:16]) is None:
        raise Refused(415, "the file is neither an image nor a PDF")
    # Of a TIFF, the number of pages is known when they are read.
    pages = list(islice(reader.predict_pages(content, dpi=job["dpi"]), settings["max_pages"] + 1))
    _check_pages(len(pages), settings)
    words = sum(len(page.words) for page in pages)
    if job["format"] == "json":
        return Result(results.as_json(pages, job["preview"]), results.KINDS["json"], len(pages), words)
    return Result(*results.as_file(pages, job["format"]), len(pages), words)


def _check_pages(count: int, settings: Mapping[str, Any]) -> None:
    most = settings["max_pages"]
    if count > most:
        raise Refused(413, f"the file has more than {most} page{'s' * (most > 1)}")

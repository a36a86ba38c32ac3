"""From the content of a file to the content of an answer, in a worker."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import ocr_trainer_runtime as ocr

from ocr_trainer.data.image_kinds import kind_of
from ocr_trainer.data.pdf import is_pdf

MEDIA_TYPES = {
    "alto": "application/xml",
    "csv": "text/csv; charset=utf-8",
    "hocr": "application/xhtml+xml",
    "icdar": "application/zip",
    "json": "application/json",
    "overlay": "image/png",
    "page": "application/xml",
    "pdf": "application/pdf",
    "text": "text/plain; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
}
"""What the files of a format are; any other is a stream of bytes."""
PREVIEW_SIDE = 1600
"""Longest side of the JPEG that the page shows where a browser cannot show the file itself."""


class Refused(Exception):
    """A file that is not read; with the status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Result(NamedTuple):
    """The content of an answer, and what the metrics count."""

    content: bytes
    media_type: str
    pages: int
    words: int


def read_document(
    reader: ocr.Reader, content: bytes, job: Mapping[str, Any], settings: Mapping[str, Any]
) -> Result:
    """Read a file and write what was read.

    Args:
        reader: The models.
        content: The content of an image, a PDF, or a TIFF of several pages.
        job: `format`, `dpi` and `preview`, as in the query of a request.
        settings: The settings of the service.

    Raises:
        Refused: It is no image and no PDF, or has too many pages.
        OcrTrainerError: It cannot be read.
    """
    if kind_of(content[:16]) is None and not is_pdf(content):
        raise Refused(415, "the file is neither an image nor a PDF")
    most = settings["max_pages"]
    pages = list(islice(reader.predict_pages(content, dpi=job["dpi"]), most + 1))
    if len(pages) > most:
        raise Refused(413, f"the file has more than {most} pages")
    name = job["format"]
    written = _json(pages, job["preview"]) if name == "json" else _written(pages, name)
    media_type = MEDIA_TYPES.get(name, "application/octet-stream")
    return Result(written, media_type, len(pages), sum(len(page.words) for page in pages))


def _json(pages: list[ocr.Page], preview: bool) -> bytes:
    shown = [{"preview": _preview(page)} if preview else {} for page in pages]
    told = {"pages": [page.to_dict() | more for page, more in zip(pages, shown, strict=True)]}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _preview(page: ocr.Page) -> str:
    """Return the image of a page as a JPEG in a `data:` URL."""
    import cv2

    image = page.image
    scale = min(1.0, PREVIEW_SIDE / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def _written(pages: list[ocr.Page], name: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "page")
        if len(pages) != 1:
            raise Refused(422, f"the format {name} holds one page, and the file has {len(pages)}")
        pages[0].save(path, name)
        return path.read_bytes()

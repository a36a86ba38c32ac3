"""The files of answers: a page in any format of the runtime, or all pages of a document in one file."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import ocr_trainer_runtime as ocr

PREVIEW_SIDE = 1600
"""Longest side of the JPEG that the web page shows if a browser cannot show the file itself."""


class Kind(NamedTuple):
    """Media type and suffix of a format."""

    media_type: str
    suffix: str


KINDS = {
    "alto": Kind("application/xml", ".alto.xml"),
    "csv": Kind("text/csv; charset=utf-8", ".csv"),
    "hocr": Kind("application/xhtml+xml", ".hocr"),
    "icdar": Kind("application/zip", ".zip"),
    "json": Kind("application/json", ".json"),
    "overlay": Kind("image/png", ".overlay.png"),
    "page": Kind("application/xml", ".xml"),
    "pdf": Kind("application/pdf", ".pdf"),
    "text": Kind("text/plain; charset=utf-8", ".txt"),
    "tsv": Kind("text/tab-separated-values; charset=utf-8", ".tsv"),
}
ZIP = Kind("application/zip", ".zip")
UNKNOWN = Kind("application/octet-stream", ".bin")


def as_json(pages: Sequence[ocr.Page], preview: bool) -> bytes:
    """Return pages as JSON, as the schema describes it."""
    shown = [{"preview": _preview(page)} if preview else {} for page in pages]
    answer = {"pages": [page.to_dict() | more for page, more in zip(pages, shown, strict=True)]}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def as_file(pages: Sequence[ocr.Page], name: str) -> tuple[bytes, Kind]:
    """Return pages as one file; if the format holds only one page, as a zip file with a file per page.

    Raises:
        OcrTrainerError: The format needs recognized words, and there are none.
    """
    kind = KINDS.get(name, UNKNOWN)
    files = [_saved(page, name) for page in pages]
    if len(files) == 1:
        return files[0], kind
    match name:
        case "text":
            return b"\f".join(files), kind
        case "csv":  # each has a row of column names
            return b"".join([files[0], *(file.partition(b"\n")[2] for file in files[1:])]), kind
        case "pdf":
            return _joined(files), kind
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(files, start=1):
            archive.writestr(f"page-{number}{kind.suffix}", content)
    return file.getvalue(), ZIP


def _saved(page: ocr.Page, name: str) -> bytes:
    with TemporaryDirectory() as folder:
        page.save(path := Path(folder, "page"), name)
        return path.read_bytes()


def _joined(files: Sequence[bytes]) -> bytes:
    """Return the pages of PDF files as one PDF."""
    import pikepdf

    with pikepdf.new() as joined:
        for file in files:
            with pikepdf.open(io.BytesIO(file)) as pages:
                joined.pages.extend(pages.pages)
        joined.save(whole := io.BytesIO())
    return whole.getvalue()


def _preview(page: ocr.Page) -> str:
    """Return the image of a page as a JPEG in a `data:` URL."""
    import cv2

    image = page.image
    scale = min(1.0, PREVIEW_SIDE / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()

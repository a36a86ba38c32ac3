"""Images in PDFs: a JPEG file as it is, and others compressed, by JPEG or without loss."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ocr_trainer_runtime.images import jpeg
from ocr_trainer_runtime.images.orientation import shown_size
from ocr_trainer_runtime.images.pillow import BROKEN, opened, orientation_of
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page


class Embedded(NamedTuple):
    """An image as a stream of a PDF."""

    data: bytes
    entries: dict[str, Any]
    """Entries of its dictionary, with keys as in a PDF, and names as strings such as `/DCTDecode`."""
    orientation: int = 1
    """The EXIF orientation in which it is to be shown."""


def embed(page: Page, image: Image, quality: int | None) -> Embedded:
    """Return the image of a page: its file, if that is a JPEG that PDFs can hold, or else its pixels.

    Args:
        page: The page, whose `load_file` returns the file.
        image: The pixels, uint8 of shape (height, width, 3), RGB.
        quality: The quality of a JPEG, 1 to 100; None to compress without loss.
    """
    return _file(page) or (_lossless(image) if quality is None else _jpeg(image, quality))


def _file(page: Page) -> Embedded | None:
    """Return the JPEG file of a page, without decoding it; None if there is none."""
    with suppress(OSError, ValueError, *BROKEN):
        data = page.load_file() if page.load_file is not None else None
        if data is None or not data.startswith(jpeg.START):
            return None
        with opened(io.BytesIO(data), ("JPEG",)) as file:
            size, orientation = file.size[::-1], orientation_of(file)
            # Four colors are inverted by some programs and not by others.
            if file.mode in ("L", "RGB") and shown_size(size, orientation) == (page.height, page.width):
                entries = _entries(size, file.mode == "L") | {"/Filter": "/DCTDecode"}
                return Embedded(jpeg.complete(data)[0], entries, orientation)
    return None


def _jpeg(image: Image, quality: int) -> Embedded:
    import cv2

    pixels, gray = _pixels(image)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return Embedded(data, _entries(image.shape[:2], gray) | {"/Filter": "/DCTDecode"})


def _lossless(image: Image) -> Embedded:
    """Return the compressed data of a PNG: PDFs have the same compression with the same prediction."""
    import cv2

    pixels, gray = _pixels(image)
    parameters = {"/Predictor": 15, "/Colors": 1 if gray else 3, "/Columns": image.shape[1]}
    entries = {"/Filter": "/FlateDecode", "/DecodeParms": parameters}
    return Embedded(
        _idat(cv2.imencode(".png", pixels)[1].tobytes()), _entries(image.shape[:2], gray) | entries
    )


def _pixels(image: Image) -> tuple[np.ndarray, bool]:
    """Return an image as OpenCV writes it, with one channel if it is gray, and whether it is."""
    import cv2

    gray = bool((image[..., :1] == image[..., 1:]).all())
    return (np.ascontiguousarray(image[..., 0]) if gray else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)), gray


def _entries(size: tuple[int, int], gray: bool) -> dict[str, Any]:
    return {
        "/Type": "/XObject",
        "/Subtype": "/Image",
        "/Height": size[0],
        "/Width": size[1],
        "/ColorSpace": "/DeviceGray" if gray else "/DeviceRGB",
        "/BitsPerComponent": 8,
    }


def _idat(file: bytes) -> bytes:
    """Return the image data of a PNG file."""
    start, parts = 8, []
    while start < len(file):
        length, kind = struct.unpack_from(">I4s", file, start)
        if kind == b"IDAT":
            parts.append(file[start + 8 : start + 8 + length])
        start += length + 12
    return b"".join(parts)

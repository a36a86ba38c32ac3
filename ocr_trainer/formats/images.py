"""Reading images: one decoder, one pixel frame and one limit for all datasets.

Pixels come as they are stored: an EXIF orientation is not applied, because the annotations of the
public sets are made in stored pixels. What a file is, its content says, not its suffix.

cv2 (300 ms) and Pillow (50 ms) are imported on use: naming images does not cost what reading them does.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np

from ocr_trainer.errors import DataError
from ocr_trainer.training.samples import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""What the name of an image ends with, in lower case."""

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
"""What an image may be, in Pillow's terms; no format that runs code, such as EPS."""

PIXEL_LIMIT = 89_478_485
"""The most an image may have: a quarter of a GiB of RGB, as in Pillow; A3 at 600 dpi has 70 million."""


def names_in(folder: Path) -> list[str]:
    """Return the names of the files of a folder, sorted, without hidden ones.

    Raises:
        DataError: If the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    except OSError as fault:
        raise DataError(f"cannot list the folder '{folder}': {fault.strerror}") from fault


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder as `names_in` does."""
    return [folder / name for name in names_in(folder)]


def is_image(path: PurePath) -> bool:
    """Tell by its name whether a file is an image."""
    return path.suffix.lower() in SUFFIXES


def read_image(path: Path) -> Image:
    """Decode an image of any depth and colour mode.

    Returns:
        uint8, (height, width, 3), RGB, in stored orientation; 16 bits are scaled to 8, alpha is dropped.

    Raises:
        DataError: If there is no such file, or it is empty, truncated, too large or no image.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as fault:
        raise DataError(f"cannot read the image '{path}': {_words(fault)}") from fault
    return decode_image(data, path)


def decode_image(data: bytes, source: Path | str) -> Image:
    """Decode the content of an image file as `read_image` does; `source` is what messages call it.

    Raises:
        DataError: If it is empty, truncated, too large or no image.
    """
    import cv2

    if reason := _header_fault(io.BytesIO(data)):
        raise DataError(f"cannot read the image '{source}': {reason}")
    try:
        pixels = cv2.imdecode(
            np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error as fault:
        raise DataError(f"cannot read the image '{source}': {fault.err}") from fault
    if pixels is None:
        raise DataError(f"cannot read the image '{source}': it is truncated or damaged")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)


def check_image(path: Path) -> str | None:
    """Return why an image cannot be used, as far as its header tells, or None; nothing is decoded."""
    try:
        with path.open("rb") as file:
            return _header_fault(file)
    except (OSError, ValueError) as fault:
        return _words(fault)


def _header_fault(file: BinaryIO) -> str | None:
    """Return what the header of an image shows to be wrong."""
    from PIL import Image as Pillow

    # What Pillow's header readers raise for random bytes.
    broken = (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        LookupError,
        ArithmeticError,
        TypeError,
        struct.error,
    )
    if not file.read(1):
        return "the file is empty"
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about size and odd metadata: the limit below is ours
        try:
            with Pillow.open(file, formats=FORMATS) as image:
                width, height = image.size
        except Pillow.DecompressionBombError:
            return f"it has more than {PIXEL_LIMIT:,} pixels"
        except broken:
            return f"it is none of {', '.join(FORMATS)}, or its header is damaged"
    if width * height > PIXEL_LIMIT:
        return f"it has {width} x {height} pixels, more than {PIXEL_LIMIT:,}"
    return None if width and height else "it has no pixels"


def _words(fault: OSError | ValueError) -> str:
    """Return an error of the file system without its number and path."""
    return getattr(fault, "strerror", None) or str(fault)


def write_image(path: Path, image: Image) -> None:
    """Write an image as PNG.

    Raises:
        OSError: It cannot be written.
    """
    import cv2

    encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    path.write_bytes(encoded.tobytes())

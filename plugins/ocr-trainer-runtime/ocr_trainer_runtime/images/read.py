"""Read images: one decoder, one pixel frame and one size limit for all that reads them.

Images are read as viewers show them, with the EXIF orientation applied, because that is how people
transcribe and predict. The content of a file decides its format, not the suffix.

OpenCV decodes the usual formats; Pillow, if it is installed, what OpenCV cannot. Both are imported on first
use, so listing images stays cheap.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ocr_trainer_runtime.errors import DataError
from ocr_trainer_runtime.images import header, jpeg, pillow, tiff
from ocr_trainer_runtime.images.alpha import on_white
from ocr_trainer_runtime.images.depth import to_8_bits
from ocr_trainer_runtime.images.kinds import MORE_FORMATS, decodable, why_unreadable
from ocr_trainer_runtime.images.orientation import Size, oriented
from ocr_trainer_runtime.types import Image

PIXEL_LIMIT = 89_478_485
"""Largest number of pixels: a quarter of a GiB of RGB, Pillow's own limit. A3 at 600 dpi has 70 million."""


def read_image(path: Path, notes: list[str] | None = None) -> Image:
    """Read an image of any bit depth and color mode.

    The EXIF orientation is applied, pixels of other depths are scaled to 8 bits, transparent pixels are put
    on white, and only the first frame of a file with several is read.

    Args:
        path: Image file.
        notes: Receives what the user should know about an image that can be read.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: If the file is missing, empty, truncated, too large or not an image.
    """
    return oriented(*decode(read_bytes(path), path, notes))


def decode_image(data: bytes, source: Path | str, notes: list[str] | None = None) -> Image:
    """Decode the bytes of an image file as `read_image` does.

    Args:
        data: Content of the file.
        source: Name of the image for error messages.
        notes: Receives what the user should know about an image that can be read.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: If the data is empty, truncated, too large or not an image.
    """
    return oriented(*decode(data, source, notes))


class Header(NamedTuple):
    """What the header of an image says."""

    size: Size
    transparent: bool
    orientation: int
    """EXIF orientation, 1 for none."""
    pillow: bool = False
    """Whether Pillow decodes it, not OpenCV."""
    tiff: tiff.Tiff | None = None


def read_header(file: BinaryIO) -> Header:
    """Read the header of an image.

    Raises:
        ValueError: If the image cannot be used; the message is the reason.
    """
    if not file.read(1):
        raise ValueError("the file is empty")
    file.seek(0)
    if directory := tiff.read_header(file):
        found = Header(directory.size, directory.transparent, directory.orientation, tiff=directory)
    elif usual := header.read(file):
        found = Header(*usual)
    else:
        found = _pillow_header(file)
    height, width = found.size
    if width * height > PIXEL_LIMIT:
        raise ValueError(f"it has {width} x {height} pixels, more than {PIXEL_LIMIT:,}")
    if not (width and height):
        raise ValueError("it has no pixels")
    return found


def _pillow_header(file: BinaryIO) -> Header:
    """Return the header of an image that is unusual, or of another format than OpenCV's."""
    file.seek(0)
    try:
        with pillow.opened(file, decodable()) as image:
            size, transparent = (image.height, image.width), image.has_transparency_data
            other = transparent or image.format in MORE_FORMATS
            return Header(size, transparent, pillow.orientation_of(image), other)
    except pillow.TooLarge as error:
        raise ValueError(f"it has more than {PIXEL_LIMIT:,} pixels") from error
    except pillow.BROKEN as error:
        raise ValueError(why_unreadable(file)) from error


def read_bytes(path: Path) -> bytes:
    """Read a file, but reject it by its header first: the file may be huge.

    Raises:
        DataError: It cannot be read, or its header is not that of a usable image.
    """
    try:
        with path.open("rb") as file:
            read_header(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image '{path}': {reason(error)}") from error


def decode(data: bytes, source: Path | str, notes: list[str] | None = None) -> tuple[Image, int]:
    """Return the stored pixels and the EXIF orientation to apply.

    Raises:
        DataError: As for `read_image`.
    """
    try:
        header = read_header(io.BytesIO(data))
        if header.tiff:
            return tiff.decode(data, header.tiff), header.orientation
        data, mended = jpeg.complete(data)
        if mended and notes is not None:
            notes.append(jpeg.NOTE)
        pixels = _by_pillow(data) if header.pillow else _by_opencv(data, header.transparent)
    except ValueError as error:
        raise DataError(f"cannot read the image '{source}': {error}") from error
    return pixels, header.orientation


def _by_opencv(data: bytes, transparent: bool) -> Image:
    """Return the pixels of an image of a usual format, on white if it is transparent.

    Raises:
        ValueError: If the image cannot be decoded.
    """
    from ocr_trainer_runtime.images.opencv import cv2

    # Not scaled by OpenCV, which divides by 256 where the pixels have 12 bits.
    whole = transparent or _is_deep_png(data)
    form = cv2.IMREAD_UNCHANGED if whole else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), form)
    except cv2.error as error:
        raise ValueError(error.err) from error
    if pixels is None:
        raise ValueError("it is truncated or damaged")
    jpeg.check_end(data, pixels)
    if pixels.dtype != np.uint8:
        pixels = to_8_bits(pixels)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    if pixels.shape[2] == 4:
        return on_white(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA, dst=pixels))
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)


def _by_pillow(data: bytes) -> Image:
    """Return the pixels of an image of another format, or of an unusual transparent one, on white.

    Raises:
        ValueError: If the image is truncated or damaged.
    """
    try:
        with pillow.opened(io.BytesIO(data), decodable()) as image:
            return pillow.on_white(image)
    except pillow.BROKEN as error:
        raise ValueError("it is truncated or damaged") from error


def _is_deep_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG") and data[24:25] == b"\x10"


def reason(error: OSError | ValueError) -> str:
    """Return the text of an error, without the number and path that the file system adds."""
    return getattr(error, "strerror", None) or str(error)


def png(image: Image) -> bytes:
    """Return an image, uint8 of shape (height, width, 3), RGB, as the content of a PNG file."""
    import cv2

    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()

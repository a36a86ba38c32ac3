"""Read and write images: one decoder, one pixel frame and one size limit for all datasets.

Images are read as viewers show them, with the EXIF orientation applied, because that is how people
transcribe and predict. Outlines usually refer to the stored pixels; see `read_labeled`. The content of a
file decides its format, not the suffix.

cv2 (300 ms) and Pillow (50 ms) are imported on first use, so listing images stays cheap.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from ocr_trainer.data.image_kinds import FORMATS, MORE_FORMATS, SUFFIXES, decodable, kind_of
from ocr_trainer.data.types import Image
from ocr_trainer.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

PIXEL_LIMIT = 89_478_485
"""Largest number of pixels: a quarter of a GiB of RGB, Pillow's own limit. A3 at 600 dpi has 70 million."""


def names_in(folder: Path) -> list[str]:
    """Return the sorted names of the files in a folder, without hidden files.

    Raises:
        DataError: If the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    except OSError as error:
        raise DataError(f"cannot list the folder '{folder}': {error.strerror}") from error


def files_in(folder: Path) -> list[Path]:
    """Return the sorted paths of the files in a folder, without hidden files.

    Raises:
        DataError: If the folder cannot be listed.
    """
    return [folder / name for name in names_in(folder)]


def is_image(path: PurePath) -> bool:
    """Return whether a path has the suffix of an image."""
    return path.suffix.lower() in SUFFIXES


def read_image(path: Path) -> Image:
    """Read an image of any bit depth and color mode.

    The EXIF orientation is applied, 16 bits are scaled to 8, transparent pixels are put on white, and
    only the first frame of a file with several is read.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: If the file is missing, empty, truncated, too large or not an image.
    """
    return _oriented(*_decode(_read_bytes(path), path))


def read_labeled(path: Path, size: tuple[int, int] | None) -> Image:
    """Read an image in the pixel frame that its outlines were drawn in.

    The public datasets annotate the stored pixels and ignore the EXIF orientation. Tools that rotate a
    photograph before annotation record the size of the rotated image.

    Args:
        path: Image file.
        size: Height and width at annotation time, if known.

    Returns:
        uint8 of shape (height, width, 3), RGB. Rotated by EXIF only if just the rotated image has `size`.

    Raises:
        DataError: As for `read_image`.
    """
    pixels, orientation = _decode(_read_bytes(path), path)
    stored, shown = pixels.shape[:2], pixels.shape[1::-1] if orientation in SIDEWAYS else pixels.shape[:2]
    return _oriented(pixels, orientation) if stored != size == shown else pixels


def decode_image(data: bytes, source: Path | str) -> Image:
    """Decode the bytes of an image file as `read_image` does.

    Args:
        data: Content of the file.
        source: Name of the image for error messages.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: If the data is empty, truncated, too large or not an image.
    """
    return _oriented(*_decode(data, source))


def check_image(path: Path) -> str | None:
    """Return the reason an image cannot be used, or None. Only the header is read, no pixels."""
    try:
        with path.open("rb") as file:
            _header(file)
    except (OSError, ValueError) as error:
        return _reason(error)
    return None


SIDEWAYS = range(5, 9)
"""EXIF orientations that swap height and width."""

TURNS: dict[int, Callable[[Image], Image]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
"""Flip or rotation for each EXIF orientation; 1 needs none."""


def _oriented(pixels: Image, orientation: int) -> Image:
    return np.ascontiguousarray(TURNS[orientation](pixels)) if orientation in TURNS else pixels


def _read_bytes(path: Path) -> bytes:
    """Read a file, but reject it by its header first: the file may be huge."""
    try:
        with path.open("rb") as file:
            _header(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image '{path}': {_reason(error)}") from error


def _decode(data: bytes, source: Path | str) -> tuple[Image, int]:
    """Return the stored pixels and the EXIF orientation to apply."""
    import cv2

    try:
        header = _header(io.BytesIO(data))
        if header.transparent or header.pillow:
            return _decode_on_white(data), header.orientation
        stored = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), stored)
    except cv2.error as error:
        raise DataError(f"cannot read the image '{source}': {error.err}") from error
    except ValueError as error:
        raise DataError(f"cannot read the image '{source}': {error}") from error
    if pixels is None:
        raise DataError(f"cannot read the image '{source}': it is truncated or damaged")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), header.orientation


class _Header(NamedTuple):
    transparent: bool
    orientation: int
    """EXIF orientation, 1 for none. Always 1 for TIFF, because the decoder applies it itself."""
    pillow: bool
    """Whether Pillow decodes the format, not OpenCV."""


_PARSER_ERRORS = (SyntaxError, EOFError, LookupError, ArithmeticError, TypeError, struct.error)
BROKEN = (OSError, ValueError, *_PARSER_ERRORS)
"""Exceptions that Pillow raises on random bytes."""


def _header(file: BinaryIO) -> _Header:
    """Read the header of an image.

    Raises:
        ValueError: If the image cannot be used; the message is the reason.
    """
    from PIL import Image as Pillow

    if not file.read(1):
        raise ValueError("the file is empty")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about size and odd metadata; the limit is checked below
        try:
            with Pillow.open(file, formats=decodable()) as image:
                width, height = image.size
                other = image.format in MORE_FORMATS
                header = _Header(image.has_transparency_data, _orientation(image), other)
        except Pillow.DecompressionBombError as error:
            raise ValueError(f"it has more than {PIXEL_LIMIT:,} pixels") from error
        except BROKEN as error:
            raise ValueError(_unknown_format(file)) from error
    if width * height > PIXEL_LIMIT:
        raise ValueError(f"it has {width} x {height} pixels, more than {PIXEL_LIMIT:,}")
    if not (width and height):
        raise ValueError("it has no pixels")
    return header


def _unknown_format(file: BinaryIO) -> str:
    """Return why a file that cannot be opened is no usable image."""
    file.seek(0)
    kind = kind_of(file.read(16))
    if kind == "GIF":
        return "it is GIF, which is not read: convert it to PNG"
    if kind in MORE_FORMATS and kind not in decodable():
        package = "the package pillow-heif" if kind == "HEIF" else "another version of Pillow"
        return f"it is {kind}, which needs {package}; or convert it to JPEG or PNG"
    if kind is not None:
        return f"it is {kind}, but its header is damaged"
    names = [*FORMATS, *(name for name in MORE_FORMATS if name in decodable())]
    return f"it is not {', '.join(names[:-1])} or {names[-1]}, or its header is damaged"


def _orientation(image: Opened) -> int:
    """Return the EXIF orientation, or 1 if the metadata is missing or damaged."""
    # Not `getexif()`: a PNG may store EXIF after its pixels, and `getexif()` would decode them to get there.
    if not (data := image.info.get("exif")):
        return 1
    from PIL.Image import Exif

    tags: Any = Exif()
    try:
        tags.load(data)
        return int(tags.get(0x0112, 1))
    except BROKEN:
        return 1


def _decode_on_white(data: bytes) -> Image:
    """Decode a partly transparent image on a white background.

    Black text on transparent pixels would otherwise come out black on black.

    Raises:
        ValueError: If the image is truncated or damaged.
    """
    from PIL import Image as Pillow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Pillow.open(io.BytesIO(data), formats=decodable()) as image:
                return on_white(image)
        except BROKEN as error:
            raise ValueError("it is truncated or damaged") from error


def on_white(image: Opened) -> Image:
    """Return a partly transparent image on a white background."""
    from PIL import Image as Pillow

    if image.mode.startswith("I"):  # 16 bits, of which Pillow would keep the lower 8
        image = Pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    rgba = image.convert("RGBA")
    page = Pillow.new("RGB", rgba.size, "white")
    page.paste(rgba, mask=rgba)
    return np.array(page)


def _reason(error: OSError | ValueError) -> str:
    """Return the text of an error, without the number and path that the file system adds."""
    return getattr(error, "strerror", None) or str(error)


def write_image(path: Path, image: Image) -> None:
    """Write an image as PNG.

    Args:
        path: File to write.
        image: uint8 of shape (height, width, 3), RGB.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(png(image))


def png(image: Image) -> bytes:
    """Return an image, uint8 of shape (height, width, 3), RGB, as the content of a PNG file."""
    import cv2

    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()

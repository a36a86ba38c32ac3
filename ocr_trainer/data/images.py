"""Read and write images: one decoder, one pixel frame and one size limit for all datasets.

Images are read as viewers show them, with the EXIF orientation applied, because that is how people
transcribe and predict. Outlines may refer to the stored pixels; see `read_labeled`. The content of a
file decides its format, not the suffix.

cv2 (300 ms) and Pillow (50 ms) are imported on first use, so listing images stays cheap.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from ocr_trainer.data import jpeg, tiff
from ocr_trainer.data.depth import to_8_bits
from ocr_trainer.data.image_kinds import MORE_FORMATS, decodable, why_unreadable
from ocr_trainer.data.orientation import TAG, Size, frame_of, oriented, shown_size
from ocr_trainer.data.pillow import BROKEN, on_white, opened
from ocr_trainer.data.types import Image
from ocr_trainer.errors import DataError
from ocr_trainer.plugin.options import ExifOrientation

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

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
    return oriented(*_decode(_read_bytes(path), path, notes))


def read_labeled(
    path: Path,
    size: Size | None,
    declared: ExifOrientation = ExifOrientation.auto,
    notes: list[str] | None = None,
) -> Image:
    """Read an image in the pixel frame that its outlines were drawn in.

    Tools label what viewers show; the public datasets label the stored pixels. Where the recorded size of
    the image decides it, it counts; otherwise the declaration does. Without one, the stored pixels are
    assumed, and `notes` says so.

    Args:
        path: Image file.
        size: Height and width at annotation time, if known.
        declared: What the options, the annotation file or its format say.
        notes: Receives what the user should know about an image that can be read.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: As for `read_image`.
    """
    pixels, orientation = _decode(_read_bytes(path), path, notes)
    frame = frame_of(pixels.shape[:2], orientation, size, declared)
    if frame is ExifOrientation.auto and notes is not None:
        notes.append(
            f"it has the EXIF orientation {orientation}, and nothing says whether its labels were drawn on"
            " the image as it is shown or as it is stored: read as stored; if its labels lie beside the"
            " text, set dataset.exif_orientation=applied"
        )
    return oriented(pixels, orientation) if frame is ExifOrientation.applied else pixels


def stored_size(path: Path) -> tuple[Size, int]:
    """Return the height and width of the stored pixels, and the EXIF orientation, from the header.

    Raises:
        DataError: If the image cannot be used.
    """
    try:
        with path.open("rb") as file:
            header = _header(file)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image '{path}': {_reason(error)}") from error
    return header.size, header.orientation


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
    return oriented(*_decode(data, source, notes))


def check_image(path: Path) -> str | None:
    """Return the reason an image cannot be used, or None. Only the header is read, no pixels."""
    try:
        with path.open("rb") as file:
            _header(file)
    except (OSError, ValueError) as error:
        return _reason(error)
    return None


def image_size(path: Path) -> Size | None:
    """Return height and width of an image as `read_image` returns it, from its header.

    Return None if the image cannot be used.
    """
    try:
        return shown_size(*stored_size(path))
    except DataError:
        return None


def _read_bytes(path: Path) -> bytes:
    """Read a file, but reject it by its header first: the file may be huge."""
    try:
        with path.open("rb") as file:
            _header(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image '{path}': {_reason(error)}") from error


def _decode(data: bytes, source: Path | str, notes: list[str] | None = None) -> tuple[Image, int]:
    """Return the stored pixels and the EXIF orientation to apply."""
    from ocr_trainer.data.opencv import cv2

    try:
        header = _header(io.BytesIO(data))
        if header.tiff:
            return tiff.decode(data, header.tiff), header.orientation
        data, mended = jpeg.complete(data)
        if mended and notes is not None:
            notes.append(jpeg.NOTE)
        if header.transparent or header.pillow:
            return _decode_on_white(data), header.orientation
        # Not scaled by OpenCV, which divides by 256 where the pixels have 12 bits.
        form = (
            cv2.IMREAD_UNCHANGED if _is_deep_png(data) else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), form)
        if pixels is not None:
            jpeg.check_end(data, pixels)
    except cv2.error as error:
        raise DataError(f"cannot read the image '{source}': {error.err}") from error
    except ValueError as error:
        raise DataError(f"cannot read the image '{source}': {error}") from error
    if pixels is None:
        raise DataError(f"cannot read the image '{source}': it is truncated or damaged")
    if pixels.dtype != np.uint8:
        pixels = to_8_bits(pixels)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), header.orientation
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), header.orientation


def _is_deep_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG") and data[24:25] == b"\x10"


class _Header(NamedTuple):
    size: Size
    transparent: bool
    orientation: int
    """EXIF orientation, 1 for none."""
    pillow: bool = False
    """Whether Pillow decodes the format, not OpenCV."""
    tiff: tiff.Tiff | None = None


def _header(file: BinaryIO) -> _Header:
    """Read the header of an image.

    Raises:
        ValueError: If the image cannot be used; the message is the reason.
    """
    from PIL.Image import DecompressionBombError

    if not file.read(1):
        raise ValueError("the file is empty")
    file.seek(0)
    try:
        if directory := tiff.read_header(file):
            header = _Header(directory.size, directory.transparent, directory.orientation, tiff=directory)
        else:
            file.seek(0)
            with opened(file, decodable()) as image:
                other = image.format in MORE_FORMATS
                header = _Header(image.size[::-1], image.has_transparency_data, orientation_of(image), other)
    except DecompressionBombError as error:
        raise ValueError(f"it has more than {PIXEL_LIMIT:,} pixels") from error
    except BROKEN as error:
        raise ValueError(why_unreadable(file)) from error
    height, width = header.size
    if width * height > PIXEL_LIMIT:
        raise ValueError(f"it has {width} x {height} pixels, more than {PIXEL_LIMIT:,}")
    if not (width and height):
        raise ValueError("it has no pixels")
    return header


def orientation_of(image: Opened) -> int:
    """Return the EXIF orientation, or 1 if the metadata is missing or damaged."""
    # Not `getexif()`: a PNG may store EXIF after its pixels, and `getexif()` would decode them to get there.
    if not (data := image.info.get("exif")):
        return 1
    from PIL.Image import Exif

    tags: Any = Exif()
    try:
        tags.load(data)
        return int(tags.get(TAG, 1))
    except BROKEN:
        return 1


def _decode_on_white(data: bytes) -> Image:
    """Decode a partly transparent image on a white background.

    Black text on transparent pixels would otherwise come out black on black.

    Raises:
        ValueError: If the image is truncated or damaged.
    """
    try:
        with opened(io.BytesIO(data), decodable()) as image:
            return on_white(image)
    except BROKEN as error:
        raise ValueError("it is truncated or damaged") from error


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

"""Reading images: one decoder, one pixel frame and one limit for all datasets.

An image is read as it is shown, its EXIF orientation applied, as people transcribe it and predict on it.
Outlines are made in stored pixels, as a rule: `read_labelled` tells. What a file is, its content says, not
its suffix.

cv2 (300 ms) and Pillow (50 ms) are imported on use: naming images does not cost what reading them does.
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

from ocr_trainer.data.types import Image
from ocr_trainer.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

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
    """Decode an image of any depth and color mode.

    Returns:
        uint8, (height, width, 3), RGB, as it is shown: an EXIF orientation is applied, 16 bits are scaled
        to 8, what is transparent is on white, and of several pictures in a file it is the first.

    Raises:
        DataError: If there is no such file, or it is empty, truncated, too large or no image.
    """
    return _turned(*_decode(_content(path), path))


def read_labeled(path: Path, size: tuple[int, int] | None) -> Image:
    """Decode an image as `read_image` does, in the pixels that its outlines were made in.

    Those of the public sets are the stored ones, without EXIF orientation. Tools that turn a photograph
    before it is annotated write down its size as they show it.

    Args:
        path: The image.
        size: Height and width that it was annotated at, where that is known.

    Raises:
        DataError: As in `read_image`.
    """
    pixels, orientation = _decode(_content(path), path)
    stored, shown = pixels.shape[:2], pixels.shape[1::-1] if orientation in SIDEWAYS else pixels.shape[:2]
    return _turned(pixels, orientation) if stored != size == shown else pixels


def decode_image(data: bytes, source: Path | str) -> Image:
    """Decode the content of an image file as `read_image` does; `source` is what messages call it.

    Raises:
        DataError: If it is empty, truncated, too large or no image.
    """
    return _turned(*_decode(data, source))


def check_image(path: Path) -> str | None:
    """Return why an image cannot be used, as far as its header tells, or None; nothing is decoded."""
    try:
        with path.open("rb") as file:
            _header(file)
    except (OSError, ValueError) as fault:
        return _words(fault)
    return None


SIDEWAYS = range(5, 9)
"""The EXIF orientations that swap height and width."""

TURNS: dict[int, Callable[[Image], Image]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
"""What each EXIF orientation asks for."""


def _turned(pixels: Image, orientation: int) -> Image:
    return np.ascontiguousarray(TURNS[orientation](pixels)) if orientation in TURNS else pixels


def _content(path: Path) -> bytes:
    """Read a file; not one that its header gives away, whatever its size."""
    try:
        with path.open("rb") as file:
            _header(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError) as fault:
        raise DataError(f"cannot read the image '{path}': {_words(fault)}") from fault


def _decode(data: bytes, source: Path | str) -> tuple[Image, int]:
    """Return stored pixels, and how they are to be turned."""
    import cv2

    try:
        header = _header(io.BytesIO(data))
        if header.transparent:
            return _on_white(data), header.orientation
        stored = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), stored)
    except cv2.error as fault:
        raise DataError(f"cannot read the image '{source}': {fault.err}") from fault
    except ValueError as fault:
        raise DataError(f"cannot read the image '{source}': {fault}") from fault
    if pixels is None:
        raise DataError(f"cannot read the image '{source}': it is truncated or damaged")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), header.orientation


class _Header(NamedTuple):
    transparent: bool
    orientation: int
    """As EXIF has it, 1 for none. That of a TIFF is 1: whoever decodes it applies its own."""


_OTHERS = (SyntaxError, EOFError, LookupError, ArithmeticError, TypeError, struct.error)
BROKEN = (OSError, ValueError, *_OTHERS)
"""What Pillow raises for random bytes."""


def _header(file: BinaryIO) -> _Header:
    """Return what the header of an image tells.

    Raises:
        ValueError: If it shows that the image cannot be used; says why.
    """
    from PIL import Image as Pillow

    if not file.read(1):
        raise ValueError("the file is empty")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about size and odd metadata: the limit below is ours
        try:
            with Pillow.open(file, formats=FORMATS) as image:
                width, height = image.size
                header = _Header(image.has_transparency_data, _orientation(image))
        except Pillow.DecompressionBombError as fault:
            raise ValueError(f"it has more than {PIXEL_LIMIT:,} pixels") from fault
        except BROKEN as fault:
            known = ", ".join(FORMATS)
            raise ValueError(f"it is none of {known}, or its header is damaged") from fault
    if width * height > PIXEL_LIMIT:
        raise ValueError(f"it has {width} x {height} pixels, more than {PIXEL_LIMIT:,}")
    if not (width and height):
        raise ValueError("it has no pixels")
    return header


def _orientation(image: Opened) -> int:
    """Return the EXIF orientation; damaged metadata ask for none."""
    # Not `getexif()`: for what a PNG may have behind its pixels, it would decode them.
    if not (data := image.info.get("exif")):
        return 1
    from PIL.Image import Exif

    tags: Any = Exif()
    try:
        tags.load(data)
        return int(tags.get(0x0112, 1))
    except BROKEN:
        return 1


def _on_white(data: bytes) -> Image:
    """Decode a partly transparent image as it looks on paper: its text would be black on black without.

    Raises:
        ValueError: If it is truncated or damaged.
    """
    from PIL import Image as Pillow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
                picture = image.convert("RGBA")
        except BROKEN as fault:
            raise ValueError("it is truncated or damaged") from fault
    paper = Pillow.new("RGB", picture.size, "white")
    paper.paste(picture, mask=picture)
    return np.array(paper)


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

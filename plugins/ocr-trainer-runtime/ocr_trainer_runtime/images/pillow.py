"""Pillow on files from anywhere: it warns of odd metadata, and raises anything on what it cannot read."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ocr_trainer_runtime.images.depth import to_8_bits
from ocr_trainer_runtime.images.orientation import TAG
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

_PARSER_ERRORS = (SyntaxError, EOFError, LookupError, ArithmeticError, TypeError, struct.error)
BROKEN = (OSError, ValueError, *_PARSER_ERRORS)
"""Exceptions that Pillow raises on random bytes."""


MISSING = "it needs Pillow: pip install 'ocr-trainer-runtime[images]'"


class TooLarge(ValueError):
    """An image has more than twice as many pixels as Pillow takes for usual."""


class MissingPillow(ValueError):
    """Pillow is not installed."""


@contextmanager
def opened(file: IO[bytes], formats: tuple[str, ...]) -> Iterator[Opened]:
    """Open an image with Pillow; nothing is printed.

    Args:
        file: Its content.
        formats: The formats to try, by Pillow's names.

    Raises:
        ValueError: A `MissingPillow` or a `TooLarge`; Pillow itself raises any of `BROKEN`.
    """
    try:
        from PIL import Image as Pillow
    except ImportError as error:
        raise MissingPillow(MISSING) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about size and odd metadata
        try:
            with Pillow.open(file, formats=formats) as image:
                yield image
        except Pillow.DecompressionBombError as error:
            raise TooLarge(str(error)) from error


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


def on_white(image: Opened) -> Image:
    """Return a partly transparent image on a white background."""
    from PIL import Image as Pillow

    if image.mode.startswith("I"):  # 16 bits, of which Pillow would keep the lower 8
        image = Pillow.fromarray(to_8_bits(np.asarray(image)))
    rgba = image.convert("RGBA")
    page = Pillow.new("RGB", rgba.size, "white")
    page.paste(rgba, mask=rgba)
    return np.array(page)

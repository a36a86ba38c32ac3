"""Pillow on files from anywhere: it warns of odd metadata, and raises anything on what it cannot read."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np

from ocr_trainer.data.depth import to_8_bits
from ocr_trainer.data.types import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

_PARSER_ERRORS = (SyntaxError, EOFError, LookupError, ArithmeticError, TypeError, struct.error)
BROKEN = (OSError, ValueError, *_PARSER_ERRORS)
"""Exceptions that Pillow raises on random bytes."""


@contextmanager
def opened(file: IO[bytes], formats: tuple[str, ...]) -> Iterator[Opened]:
    """Open an image with Pillow; nothing is printed.

    Args:
        file: Its content.
        formats: The formats to try, by Pillow's names.
    """
    from PIL import Image as Pillow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about size and odd metadata
        with Pillow.open(file, formats=formats) as image:
            yield image


def on_white(image: Opened) -> Image:
    """Return a partly transparent image on a white background."""
    from PIL import Image as Pillow

    if image.mode.startswith("I"):  # 16 bits, of which Pillow would keep the lower 8
        image = Pillow.fromarray(to_8_bits(np.asarray(image)))
    rgba = image.convert("RGBA")
    page = Pillow.new("RGB", rgba.size, "white")
    page.paste(rgba, mask=rgba)
    return np.array(page)

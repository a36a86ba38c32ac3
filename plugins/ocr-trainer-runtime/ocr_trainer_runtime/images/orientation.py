"""EXIF orientation: how a photograph is to be turned, and which of its two frames labels refer to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ocr_trainer_runtime.options import ExifOrientation
from ocr_trainer_runtime.types import Image

TAG = 0x0112
"""The orientation, in EXIF and in TIFF."""

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

Size = tuple[int, int]
"""Height and width."""


def oriented(pixels: Image, orientation: int) -> Image:
    """Return stored pixels as viewers show them."""
    return np.ascontiguousarray(TURNS[orientation](pixels)) if orientation in TURNS else pixels


def shown_size(stored: Size, orientation: int) -> Size:
    """Return the size of an image as viewers show it."""
    return (stored[1], stored[0]) if orientation in SIDEWAYS else stored


def frame_of(
    stored: Size, orientation: int, labeled: Size | None, declared: ExifOrientation
) -> ExifOrientation:
    """Return the frame of labels; `auto` if nothing tells it.

    Args:
        stored: Size of the stored pixels.
        orientation: EXIF orientation of the image.
        labeled: Size of the image at annotation time, if known.
        declared: What the options, the file or its format say.
    """
    shown = shown_size(stored, orientation)
    if orientation not in TURNS:
        return ExifOrientation.ignored  # both frames are the same
    # The size is evidence, and the declaration only a rule: an old release of a tool may not follow it.
    if stored != shown and labeled in (stored, shown):
        return ExifOrientation.ignored if labeled == stored else ExifOrientation.applied
    return declared

"""Pixels of more than 8 bits, signed ones and floating-point ones, as 8 bits."""

from __future__ import annotations

import numpy as np

from ocr_trainer_runtime.types import Image

DEPTHS = (8, 10, 12, 14, 16, 24, 32)
"""Bits that cameras and scanners deliver, whatever the size of the integer they are stored in."""
WIDEST = 16
"""Bits of the deepest usual images. Deeper ones are measurements or sums, whose white is their maximum."""
CEILINGS = (1.0, 255.0, 65535.0)
"""What white is, by custom, where pixels are floating-point numbers."""
BLOCK = 1 << 22
"""Pixels converted at once, to bound the memory."""
BEYOND = 0.05
"""If a larger part of the pixels lies outside the range that a file states, the statement is wrong."""

Range = tuple[float, float]
"""The values of black and of white."""


def to_8_bits(pixels: np.ndarray, stated: Range | None = None, invert: bool = False) -> Image:
    """Return pixels as uint8: black is 0, white is 255.

    Args:
        pixels: Of any real type and shape.
        stated: The range that the file states, if it does. Otherwise it is the range of the pixels: of
            integers, the smallest usual depth that holds them (12 bits in 16), of floating-point numbers, 0
            to 1, 255 or 65535 where their maximum suggests it. Otherwise white is the maximum, and black is
            0 or, with negative pixels, the minimum.
        invert: Whether black is the upper end of the range.

    Raises:
        ValueError: No pixel is a finite number.
    """
    low, high = _range(pixels, stated)
    result: Image = np.empty(pixels.shape, np.uint8)
    step = max(1, BLOCK // max(1, pixels[0].size))
    for first in range(0, len(pixels), step):
        # A pixel without a number is one without data. It becomes white, as a transparent one does.
        block = np.nan_to_num(pixels[first : first + step].astype(np.float64), nan=low if invert else high)
        share = np.clip((block - low) / (high - low), 0, 1)
        result[first : first + step] = np.rint(255 * (1 - share if invert else share))
    return result


def _range(pixels: np.ndarray, stated: Range | None) -> Range:
    floating = pixels.dtype.kind == "f"
    finite = pixels[np.isfinite(pixels)] if floating else pixels
    if not finite.size:
        raise ValueError("none of its pixels is a finite number")
    low, high = float(finite.min()), float(finite.max())
    if stated and stated[0] < stated[1]:
        if (low, high) >= (stated[0], low) and high <= stated[1]:
            return stated
        if np.mean((finite < stated[0]) | (finite > stated[1])) <= BEYOND:
            return stated
    if low < 0:
        return low, high if high > low else low + 1
    if floating:
        # A page whose brightest pixel is below half of the custom was not stored by it.
        custom = next((ceiling for ceiling in CEILINGS if high <= ceiling), high)
        return 0.0, (custom if high > custom / 2 else high) or 1.0
    bits = next(depth for depth in (*DEPTHS, 64) if high < 2**depth)
    # The steps above 16 bits are far apart: a page may fill a hundredth of one.
    return 0.0, 2.0**bits - 1 if bits <= WIDEST or high > 2.0**bits / 2 else high

"""Transparent pixels, which are put on white: black text on them would otherwise come out black on black."""

from __future__ import annotations

import numpy as np

from ocr_trainer_runtime.types import Image


def on_white(pixels: np.ndarray) -> Image:
    """Return pixels on a white background, rounded as Pillow does.

    Args:
        pixels: uint8, (height, width, 4): three colors, and how opaque they are.

    Returns:
        uint8, (height, width, 3).
    """
    opaque = pixels[..., 3:].astype(np.uint32)
    mixed = opaque * pixels[..., :3] + (255 - opaque) * 255 + 128
    image: Image = ((mixed + (mixed >> 8)) >> 8).astype(np.uint8)
    return image

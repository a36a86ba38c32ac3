"""Images for loggers: a text image with the recognized text below it."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ocr_trainer.data.types import Image

RIGHT = (0, 110, 60)
WRONG = (200, 30, 0)
SCALE = 2
SIZE = 18
"""Pixels per em."""


def draw_recognition(image: Image, truth: str, reading: str) -> Image:
    """Return an enlarged image with the reading below it and, if the reading is wrong, the ground truth.

    Pillow's built-in font has Latin letters only; the captions in loggers show every script.

    Args:
        image: uint8, (height, width, 3), RGB.
        truth: The ground truth.
        reading: The recognized text.

    Returns:
        uint8, (height, width, 3), RGB.
    """
    font = ImageFont.load_default(SIZE)
    lines = [(reading, RIGHT)] if reading == truth else [(reading or "(nothing)", WRONG), (truth, (0, 0, 0))]
    top = Pillow.fromarray(image)
    top = top.resize((top.width * SCALE, top.height * SCALE))
    width = max(top.width, *(int(font.getlength(text)) + 8 for text, _ in lines))
    canvas = Pillow.new("RGB", (width, top.height + len(lines) * (SIZE + 6)), "white")
    canvas.paste(top)
    for row, (text, color) in enumerate(lines):
        ImageDraw.Draw(canvas).text((4, top.height + 2 + row * (SIZE + 6)), text, color, font)
    return np.array(canvas)

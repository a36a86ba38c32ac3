"""Pictures of what a model read, below what it saw."""

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
    """Return an image, enlarged, with the reading below it and, where it is wrong, the truth.

    The font that Pillow brings has Latin letters only: the captions, not the pictures, have every script.
    """
    font = ImageFont.load_default(SIZE)
    lines = [(reading, RIGHT)] if reading == truth else [(reading or "(nothing)", WRONG), (truth, (0, 0, 0))]
    seen = Pillow.fromarray(image)
    seen = seen.resize((seen.width * SCALE, seen.height * SCALE))
    width = max(seen.width, *(int(font.getlength(text)) + 8 for text, _ in lines))
    canvas = Pillow.new("RGB", (width, seen.height + len(lines) * (SIZE + 6)), "white")
    canvas.paste(seen)
    for place, (text, color) in enumerate(lines):
        ImageDraw.Draw(canvas).text((4, seen.height + 2 + place * (SIZE + 6)), text, color, font)
    return np.array(canvas)

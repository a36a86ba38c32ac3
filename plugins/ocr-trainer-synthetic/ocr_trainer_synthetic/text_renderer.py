"""Words drawn as masks, alone and set in lines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 2
"""Empty pixels around a block, room for the blur of resampling."""


@dataclass(frozen=True)
class Face:
    """Font, size and weight."""

    path: Path | None
    """Font file; `None` for Pillow's built-in font."""
    size: int
    """Pixels per em."""
    bold: int = 0
    """Pixels by which strokes are widened, to the right."""


@dataclass(frozen=True)
class Word:
    """A word as a mask, cropped to its ink."""

    ink: Image.Image
    """Coverage, mode L."""
    ascent: int
    """Pixels from the baseline up to the top of the ink."""


@dataclass
class Line:
    """Words at the left end of a line, and words at its right end."""

    face: Face
    left: list[str]
    right: list[str]
    centered: bool = False


@dataclass
class Block:
    """Lines of words, drawn as one mask."""

    mask: Image.Image
    """Coverage, mode L."""
    quads: np.ndarray
    """Box around the ink of each word, float64, (words, 4, 2): clockwise from top left, in pixel edges."""
    texts: list[str]


@lru_cache(maxsize=512)
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if path is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def render(text: str, face: Face) -> Word | None:
    """Return a word drawn with a face, or `None` if it has no ink."""
    word = draw(text, _font(face.path, face.size))
    return word and Word(embolden(word.ink, face.bold), word.ascent)


def draw(text: str, font: ImageFont.FreeTypeFont, direction: str | None = None) -> Word | None:
    """Return a text drawn with a font in one piece, or `None` if it has no ink.

    Args:
        text: The text, in logical order.
        font: The font.
        direction: `ltr` or `rtl`, for a font with Raqm layout; `None`: as the first letter says.
    """
    left, top, right, bottom = map(int, font.getbbox(text, anchor="ls", direction=direction))
    # One more pixel on each side: the ink of some fonts exceeds their metrics.
    image = Image.new("L", (right - left + 3, bottom - top + 3))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, 255, font, anchor="ls", direction=direction)
    box = image.getbbox()
    if box is None:
        return None
    return Word(image.crop(box), 1 - top - box[1])


def embolden(ink: Image.Image, pixels: int) -> Image.Image:
    """Return the ink with strokes widened to the right, by pasting it once per pixel; outlines are slower."""
    if pixels == 0:
        return ink
    wide = Image.new("L", (ink.width + pixels, ink.height))
    for x in range(pixels + 1):
        wide.paste(255, (x, 0), ink)
    return wide


def typeset(lines: list[Line], gap: int, leading: int, line_width: int) -> Block:
    """Return lines set below one another.

    Args:
        lines: From top to bottom.
        gap: Pixels between the ink of neighboring words.
        leading: Pixels between the lowest ink of a line and the highest ink of the next.
        line_width: Width of a line in pixels; a line is wider if its words need more.
    """
    placed: list[tuple[Word, int, int]] = []
    texts: list[str] = []
    top = MARGIN
    for line in lines:
        pairs = [(text, render(text, line.face)) for text in line.left + line.right]
        words = [word for _, word in pairs if word]
        if not words:
            continue
        texts += [text for text, word in pairs if word]
        baseline = top + max(word.ascent for word in words)
        slack = line_width - sum(word.ink.width + gap for word in words) + gap
        x = MARGIN + (max(slack, 0) // 2 if line.centered else 0)
        for index, word in enumerate(words):
            if line.right and index == len(words) - len(line.right):
                x += max(slack, 0)
            placed.append((word, x, baseline - word.ascent))
            x += word.ink.width + gap
        top = leading + max(baseline - word.ascent + word.ink.height for word in words)
    return _paste(placed, texts)


def _paste(placed: list[tuple[Word, int, int]], texts: list[str]) -> Block:
    boxes = np.array([(x, y, x + w.ink.width, y + w.ink.height) for w, x, y in placed]).reshape(-1, 4)
    width, height = boxes[:, 2:].max(axis=0, initial=0) + MARGIN
    mask = Image.new("L", (int(width), int(height)))
    for word, x, y in placed:
        mask.paste(word.ink, (x, y))
    return Block(mask, boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2).astype(float), texts)

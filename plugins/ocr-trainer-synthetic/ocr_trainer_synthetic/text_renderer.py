"""Words as ink, alone and set in lines, for the synthetic pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 2
"""Empty pixels around a block."""


@dataclass(frozen=True)
class Face:
    """What letters look like."""

    path: Path | None
    """The font's file; `None` for the one that Pillow brings."""
    size: int
    """Pixels per em."""
    bold: int = 0
    """Pixels that strokes are widened by, to the right."""


@dataclass(frozen=True)
class Word:
    """A word's ink and nothing around it."""

    ink: Image.Image
    rise: int
    """Pixels from the baseline up to the top of the ink."""


@dataclass
class Line:
    """Words from the left, and words at the right end."""

    face: Face
    left: list[str]
    right: list[str]
    centred: bool = False


@dataclass
class Block:
    """Lines of words as one piece."""

    mask: Image.Image
    """Gray: how much ink there is."""
    quads: np.ndarray
    """(words, 4, 2): the ink of each word, clockwise from the top left, at pixel edges."""
    texts: list[str]


@lru_cache(maxsize=512)
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if path is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def render(text: str, face: Face) -> Word | None:
    """Draw a word; `None` where the font leaves no ink."""
    word = draw(text, _font(face.path, face.size))
    return word and Word(widened(word.ink, face.bold), word.rise)


def draw(text: str, font: ImageFont.FreeTypeFont) -> Word | None:
    """Draw a word, or a line that the font sets as a whole; `None` where it leaves no ink."""
    left, top, right, bottom = map(int, font.getbbox(text, anchor="ls"))
    # One pixel more on each side, for fonts whose ink oversteps their metrics.
    image = Image.new("L", (right - left + 3, bottom - top + 3))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, 255, font, anchor="ls")
    box = image.getbbox()
    if box is None:
        return None
    return Word(image.crop(box), 1 - top - box[1])


def widened(ink: Image.Image, pixels: int) -> Image.Image:
    """Strike the ink once more for each pixel, one to the right; cheaper than stroking outlines."""
    if pixels == 0:
        return ink
    strikes = Image.new("L", (ink.width + pixels, ink.height))
    for x in range(pixels + 1):
        strikes.paste(255, (x, 0), ink)
    return strikes


def typeset(lines: list[Line], gap: int, leading: int, measure: int) -> Block:
    """Set lines below one another, their ink apart by the gap and the leading.

    Args:
        lines: From top to bottom.
        gap: Pixels between words.
        leading: Pixels between the lowest ink of a line and the highest of the next.
        measure: Pixels that a line is wide; more where its words need them.
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
        baseline = top + max(word.rise for word in words)
        slack = measure - sum(word.ink.width + gap for word in words) + gap
        x = MARGIN + (max(slack, 0) // 2 if line.centred else 0)
        for index, word in enumerate(words):
            if line.right and index == len(words) - len(line.right):
                x += max(slack, 0)
            placed.append((word, x, baseline - word.rise))
            x += word.ink.width + gap
        top = leading + max(baseline - word.rise + word.ink.height for word in words)
    return _paste(placed, texts)


def _paste(placed: list[tuple[Word, int, int]], texts: list[str]) -> Block:
    boxes = np.array([(x, y, x + w.ink.width, y + w.ink.height) for w, x, y in placed]).reshape(-1, 4)
    width, height = boxes[:, 2:].max(axis=0, initial=0) + MARGIN
    mask = Image.new("L", (int(width), int(height)))
    for word, x, y in placed:
        mask.paste(word.ink, (x, y))
    return Block(mask, boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2).astype(float), texts)

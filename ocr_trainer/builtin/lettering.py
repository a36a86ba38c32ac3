"""Words, and their ink in lines, for the synthetic pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ocr_trainer.builtin.plugin import SyntheticConfig
from ocr_trainer.errors import DataError

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
VOCABULARY = [
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "be",
    "bill",
    "black",
    "by",
    "cafe",
    "card",
    "cash",
    "center",
    "change",
    "city",
    "coffee",
    "copy",
    "customer",
    "date",
    "day",
    "discount",
    "exit",
    "for",
    "free",
    "from",
    "garden",
    "gift",
    "goods",
    "green",
    "hotel",
    "house",
    "in",
    "invoice",
    "is",
    "it",
    "item",
    "large",
    "market",
    "milk",
    "more",
    "name",
    "new",
    "no",
    "not",
    "number",
    "of",
    "on",
    "open",
    "or",
    "order",
    "paid",
    "park",
    "please",
    "price",
    "qty",
    "receipt",
    "red",
    "return",
    "road",
    "sale",
    "service",
    "shop",
    "small",
    "station",
    "stop",
    "store",
    "street",
    "subtotal",
    "sugar",
    "sum",
    "table",
    "tax",
    "tea",
    "tel",
    "thank",
    "that",
    "the",
    "this",
    "time",
    "to",
    "total",
    "unit",
    "was",
    "water",
    "with",
    "you",
    "your",
]
SIZES = 12
"""Font sizes between the smallest and the largest: few, so that drawn words can be used again."""
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
    """Grey: how much ink there is."""
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
    font = _font(face.path, face.size)
    left, top, right, bottom = map(int, font.getbbox(text, anchor="ls"))
    # One pixel more on each side, for fonts whose ink oversteps their metrics.
    image = Image.new("L", (right - left + 3, bottom - top + 3))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, 255, font, anchor="ls")
    box = image.getbbox()
    if box is None:
        return None
    return Word(_widened(image.crop(box), face.bold), 1 - top - box[1])


def _widened(ink: Image.Image, pixels: int) -> Image.Image:
    """Strike the ink once more for each pixel, one to the right; cheaper than stroking outlines."""
    if pixels == 0:
        return ink
    strikes = Image.new("L", (ink.width + pixels, ink.height))
    for x in range(pixels + 1):
        strikes.paste(255, (x, 0), ink)
    return strikes


def check_font(path: Path) -> None:
    """Raise DataError if a font cannot be opened or draws nothing."""
    try:
        word = render("Ag0", Face(path, 20))
    except OSError as error:
        raise DataError(
            f"the font '{path}' cannot be opened: {error}\n  fonts: paths of TrueType or OpenType files"
        ) from error
    if word is None:
        raise DataError(f"the font '{path}' has no Latin letters and digits\n  fonts: choose another")


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


class Writer:
    """Makes up the blocks of one page, in the page's style."""

    def __init__(self, config: SyntheticConfig, rng: np.random.Generator) -> None:
        self.config, self.rng = config, rng
        self.scope = 1.0
        """The share of the page that blocks are made for."""
        self.kinds = (
            (self._word,),
            (self._paragraph, self._paragraph, self._word),
            (self._receipt, self._receipt, self._paragraph, self._word),
        )[rng.integers(3)]

    def shrink(self) -> None:
        """Make smaller blocks from now on: there was no place for the last."""
        self.scope = max(0.8 * self.scope, 0.05)

    def block(self, room: int) -> Block:
        """Make a block of at most so many words, and at least one."""
        return self.kinds[self.rng.integers(len(self.kinds))](room)

    def _word(self, room: int) -> Block:
        return typeset([Line(self._face(0.0), [self._text()], [])], 0, 0, 0)

    def _paragraph(self, room: int) -> Block:
        face = self._face(0.5)
        measure, lines_at_most = self._extent(face)
        gap, leading = self._spacing(face)
        lines: list[Line] = []
        centred = self.rng.random() < 0.3
        for _ in range(lines_at_most):
            words = self._fill(face, measure, gap, room)
            room -= len(words)
            if words:
                lines.append(Line(face, words, [], centred))
        return typeset(lines, gap, leading, measure)

    def _receipt(self, room: int) -> Block:
        face = self._face(0.7)
        measure, lines_at_most = self._extent(face)
        gap, leading = self._spacing(face)
        large = Face(face.path, min(2 * face.size, self.config.max_font_size), face.bold)
        lines: list[Line] = []
        for index in range(max(lines_at_most, 2)):
            heading = index < 2
            used = face if not heading else large
            right = [] if heading or room < 2 or self.rng.random() < 0.2 else [self._amount()]
            share = 0.9 if heading else self.rng.uniform(0.2, 0.7)
            left = self._fill(used, round(share * measure), gap, room - len(right))
            room -= len(left) + len(right)
            if left:
                lines.append(Line(used, left, right, centred=heading))
        return typeset(lines, gap, leading, measure)

    def _face(self, smallness: float) -> Face:
        """Choose letters; a smallness of 0 spreads their size evenly on a logarithmic scale."""
        rng, fonts = self.rng, self.config.fonts
        low, high = self.config.min_font_size, self.config.max_font_size
        reach = rng.random() ** (1 + 2 * smallness) * min(1.0, 2 * self.scope)
        size = round(low * (high / low) ** (round(reach * SIZES) / SIZES))
        bold = round(size * rng.uniform(0.03, 0.08)) if rng.random() < 0.4 else 0
        return Face(fonts[rng.integers(len(fonts))] if fonts else None, size, bold)

    def _extent(self, face: Face) -> tuple[int, int]:
        """Choose the width of a block in pixels, and how many lines it may have."""
        measure = self.rng.uniform(0.4, 0.9) * self.scope * self.config.width
        height = self.rng.uniform(0.3, 0.9) * self.scope * self.config.height
        return round(measure), max(1, int(height / (1.5 * face.size)))

    def _spacing(self, face: Face) -> tuple[int, int]:
        """Choose the gap between words and the leading between lines, in pixels."""
        gap = max(3, round(face.size * self.rng.uniform(0.22, 0.5)))
        return gap, max(2, round(face.size * self.rng.uniform(0.05, 0.6)))

    def _fill(self, face: Face, measure: int, gap: int, room: int) -> list[str]:
        """Make up as many words as fit a line, one at least while there is room."""
        words: list[str] = []
        width = 0
        while len(words) < room:
            text = self._text()
            word = render(text, face)
            width += gap + word.ink.width if word else 0
            if words and width > measure:
                break
            words.append(text)
        return words

    def _text(self) -> str:
        """Make up a word: a real one, an amount, or any letters."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.2:
            return self._amount()
        if kind < 0.45:
            return "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=rng.integers(1, 11)))
        word = VOCABULARY[rng.integers(len(VOCABULARY))]
        word = (word, word.title(), word.upper())[rng.integers(3)]
        return word + ":" if kind > 0.95 else word

    def _amount(self) -> str:
        """Make up a number as receipts have them: a price, a count, a date, a time, a code."""
        a, b, c = self.rng.integers(100, size=3).tolist()
        forms = (
            f"{a}.{b:02}",
            f"${a}.{b:02}",
            f"{a},{b:02}{c % 10}",
            f"{a}",
            f"x{a % 10}",
            f"#{a:02}{b:02}{c:02}",
            f"{a % 24:02}:{b % 60:02}",
            f"{a % 28 + 1:02}/{b % 12 + 1:02}/20{c:02}",
            f"20{c:02}-{b % 12 + 1:02}-{a % 28 + 1:02}",
        )
        return forms[self.rng.integers(len(forms))]

"""Layout of words on a page: single words, paragraphs, receipts."""

from __future__ import annotations

import numpy as np

from ocr_trainer_synthetic import text_renderer, wordlist
from ocr_trainer_synthetic.plugin import SyntheticConfig

SIZES = 12
"""Steps from the smallest font size to the largest: few, so that the cache of drawn words is hit."""


class Writer:
    """Generate the blocks of one page, all in the style of that page."""

    def __init__(self, config: SyntheticConfig, rng: np.random.Generator) -> None:
        self.config, self.rng = config, rng
        self.scale = 1.0
        """Size of new blocks, as a fraction of the page."""
        self.kinds = (
            (self._word,),
            (self._paragraph, self._paragraph, self._word),
            (self._receipt, self._receipt, self._paragraph, self._word),
        )[rng.integers(3)]

    def shrink(self) -> None:
        """Make later blocks smaller; the last one did not fit."""
        self.scale = max(0.8 * self.scale, 0.05)

    def block(self, max_words: int) -> text_renderer.Block:
        """Return a random block of one to `max_words` words."""
        return self.kinds[self.rng.integers(len(self.kinds))](max_words)

    def _word(self, max_words: int) -> text_renderer.Block:
        return text_renderer.typeset(
            [text_renderer.Line(self._face(0.0), [wordlist.word(self.rng)], [])], 0, 0, 0
        )

    def _paragraph(self, max_words: int) -> text_renderer.Block:
        face = self._face(0.5)
        line_width, max_lines = self._extent(face)
        gap, leading = self._spacing(face)
        lines: list[text_renderer.Line] = []
        centered = self.rng.random() < 0.3
        for _ in range(max_lines):
            words = self._fill(face, line_width, gap, max_words)
            max_words -= len(words)
            if words:
                lines.append(text_renderer.Line(face, words, [], centered))
        return text_renderer.typeset(lines, gap, leading, line_width)

    def _receipt(self, max_words: int) -> text_renderer.Block:
        face = self._face(0.7)
        line_width, max_lines = self._extent(face)
        gap, leading = self._spacing(face)
        heading_face = text_renderer.Face(face.path, min(2 * face.size, self.config.max_font_size), face.bold)
        lines: list[text_renderer.Line] = []
        for index in range(max(max_lines, 2)):
            heading = index < 2
            used = face if not heading else heading_face
            right = [] if heading or max_words < 2 or self.rng.random() < 0.2 else [wordlist.amount(self.rng)]
            share = 0.9 if heading else self.rng.uniform(0.2, 0.7)
            left = self._fill(used, round(share * line_width), gap, max_words - len(right))
            max_words -= len(left) + len(right)
            if left:
                lines.append(text_renderer.Line(used, left, right, centered=heading))
        return text_renderer.typeset(lines, gap, leading, line_width)

    def _face(self, small_bias: float) -> text_renderer.Face:
        """Return a random face; with `small_bias` 0, the logarithm of the size is uniform."""
        rng, fonts = self.rng, self.config.fonts
        low, high = self.config.min_font_size, self.config.max_font_size
        position = rng.random() ** (1 + 2 * small_bias) * min(1.0, 2 * self.scale)
        size = round(low * (high / low) ** (round(position * SIZES) / SIZES))
        bold = round(size * rng.uniform(0.03, 0.08)) if rng.random() < 0.4 else 0
        return text_renderer.Face(fonts[rng.integers(len(fonts))] if fonts else None, size, bold)

    def _extent(self, face: text_renderer.Face) -> tuple[int, int]:
        """Return a random width of a block in pixels, and the largest number of its lines."""
        line_width = self.rng.uniform(0.4, 0.9) * self.scale * self.config.width
        height = self.rng.uniform(0.3, 0.9) * self.scale * self.config.height
        return round(line_width), max(1, int(height / (1.5 * face.size)))

    def _spacing(self, face: text_renderer.Face) -> tuple[int, int]:
        """Return a random gap between words and leading between lines, in pixels."""
        gap = max(3, round(face.size * self.rng.uniform(0.22, 0.5)))
        return gap, max(2, round(face.size * self.rng.uniform(0.05, 0.6)))

    def _fill(self, face: text_renderer.Face, line_width: int, gap: int, max_words: int) -> list[str]:
        """Return as many random words as fit a line; at least one if `max_words` is positive."""
        words: list[str] = []
        width = 0
        while len(words) < max_words:
            text = wordlist.word(self.rng)
            word = text_renderer.render(text, face)
            width += gap + word.ink.width if word else 0
            if words and width > line_width:
                break
            words.append(text)
        return words

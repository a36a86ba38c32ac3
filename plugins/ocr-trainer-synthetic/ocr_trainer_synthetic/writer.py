"""How words stand on a synthetic page: alone, in paragraphs, on receipts."""

from __future__ import annotations

import numpy as np

from ocr_trainer_synthetic import text_renderer, wordlist
from ocr_trainer_synthetic.plugin import SyntheticConfig

SIZES = 12
"""Font sizes between the smallest and the largest: few, so that drawn words can be used again."""


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

    def block(self, room: int) -> text_renderer.Block:
        """Make a block of at most so many words, and at least one."""
        return self.kinds[self.rng.integers(len(self.kinds))](room)

    def _word(self, room: int) -> text_renderer.Block:
        return text_renderer.typeset(
            [text_renderer.Line(self._face(0.0), [wordlist.word(self.rng)], [])], 0, 0, 0
        )

    def _paragraph(self, room: int) -> text_renderer.Block:
        face = self._face(0.5)
        measure, lines_at_most = self._extent(face)
        gap, leading = self._spacing(face)
        lines: list[text_renderer.Line] = []
        centred = self.rng.random() < 0.3
        for _ in range(lines_at_most):
            words = self._fill(face, measure, gap, room)
            room -= len(words)
            if words:
                lines.append(text_renderer.Line(face, words, [], centred))
        return text_renderer.typeset(lines, gap, leading, measure)

    def _receipt(self, room: int) -> text_renderer.Block:
        face = self._face(0.7)
        measure, lines_at_most = self._extent(face)
        gap, leading = self._spacing(face)
        large = text_renderer.Face(face.path, min(2 * face.size, self.config.max_font_size), face.bold)
        lines: list[text_renderer.Line] = []
        for index in range(max(lines_at_most, 2)):
            heading = index < 2
            used = face if not heading else large
            right = [] if heading or room < 2 or self.rng.random() < 0.2 else [wordlist.amount(self.rng)]
            share = 0.9 if heading else self.rng.uniform(0.2, 0.7)
            left = self._fill(used, round(share * measure), gap, room - len(right))
            room -= len(left) + len(right)
            if left:
                lines.append(text_renderer.Line(used, left, right, centred=heading))
        return text_renderer.typeset(lines, gap, leading, measure)

    def _face(self, smallness: float) -> text_renderer.Face:
        """Choose letters; a smallness of 0 spreads their size evenly on a logarithmic scale."""
        rng, fonts = self.rng, self.config.fonts
        low, high = self.config.min_font_size, self.config.max_font_size
        reach = rng.random() ** (1 + 2 * smallness) * min(1.0, 2 * self.scope)
        size = round(low * (high / low) ** (round(reach * SIZES) / SIZES))
        bold = round(size * rng.uniform(0.03, 0.08)) if rng.random() < 0.4 else 0
        return text_renderer.Face(fonts[rng.integers(len(fonts))] if fonts else None, size, bold)

    def _extent(self, face: text_renderer.Face) -> tuple[int, int]:
        """Choose the width of a block in pixels, and how many lines it may have."""
        measure = self.rng.uniform(0.4, 0.9) * self.scope * self.config.width
        height = self.rng.uniform(0.3, 0.9) * self.scope * self.config.height
        return round(measure), max(1, int(height / (1.5 * face.size)))

    def _spacing(self, face: text_renderer.Face) -> tuple[int, int]:
        """Choose the gap between words and the leading between lines, in pixels."""
        gap = max(3, round(face.size * self.rng.uniform(0.22, 0.5)))
        return gap, max(2, round(face.size * self.rng.uniform(0.05, 0.6)))

    def _fill(self, face: text_renderer.Face, measure: int, gap: int, room: int) -> list[str]:
        """Make up as many words as fit a line, one at least while there is room."""
        words: list[str] = []
        width = 0
        while len(words) < room:
            text = wordlist.word(self.rng)
            word = text_renderer.render(text, face)
            width += gap + word.ink.width if word else 0
            if words and width > measure:
                break
            words.append(text)
        return words

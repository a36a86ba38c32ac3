"""The dataset `synthetic`: pages of rendered words whose outlines are known exactly, or words alone.

A page is a pure function of the run's seed, the split and the index. It is made of blocks that do
not overlap: a word on its own, a paragraph, or a receipt with amounts at the end of its lines. A
block is set level and then stretched, slanted and turned as a whole; the same map carries the
corners of each word's ink to the page, so that the outlines fit to the pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ocr_trainer.data.fonts import Fonts, find
from ocr_trainer.data.types import Polygon, Sample
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task
from ocr_trainer_synthetic import background, text_renderer, wordlist
from ocr_trainer_synthetic.generated import SPLITS, GeneratedSplit
from ocr_trainer_synthetic.plugin import SyntheticConfig
from ocr_trainer_synthetic.texts import Texts, source_of
from ocr_trainer_synthetic.words import Words
from ocr_trainer_synthetic.writer import Writer

FAILURES = 30
"""Blocks that may find no place before a page counts as full."""
PLACES = 24
"""Places that are tried for a block."""


class Synthetic:
    """Pages of rendered words, or pictures of words and lines, in three splits that share none.

    Raises:
        DataError: If a font or a list of words cannot be used, or they do not go together.
    """

    def __init__(self, config: SyntheticConfig, context: Context) -> None:
        found = Fonts(find(config.fonts, config.system_fonts))
        if context.task is Task.recognition:
            texts = Texts(config.text, source_of(config.text, found, context.data_report), found)
            self.characters = texts.characters
            """All that the texts can have."""
            kind: Callable[..., Any] = partial(Words, config.text, texts, context.seed)
            lengths = config.text.train_texts, config.text.val_texts, config.text.test_texts
            for split in (split for split, length in zip(SPLITS, lengths, strict=True) if length):
                texts.text(split, np.random.default_rng(0))  # so that it fails before there is a model
        else:
            kind = partial(Pages, _with_fonts(config, found), context.seed)
            lengths = config.train_pages, config.val_pages, config.test_pages
        self.train, self.val, self.test = (
            kind(split, length) if length else None for split, length in zip(SPLITS, lengths, strict=True)
        )


def _with_fonts(config: SyntheticConfig, found: Fonts) -> SyntheticConfig:
    """Return the options with all fonts that can write pages."""
    usable = set(found.having(wordlist.CHARACTERS))
    for path in config.fonts:
        if path.is_file() and path not in usable:
            lacking = Fonts([path]).lacking(wordlist.CHARACTERS)
            raise DataError(f"the font '{path}' has no {' '.join(lacking)}\n  fonts: choose another")
    if not usable:
        raise DataError("no font has all Latin letters and digits\n  fonts: give others")
    return replace(config, fonts=[path for path in found.paths if path in usable and path is not None])


class Pages(GeneratedSplit[Sample]):
    """A split: pages by index, each made when it is asked for and always the same."""

    def __init__(self, config: SyntheticConfig, seed: int, split: str, length: int) -> None:
        super().__init__(seed, split, length)
        self.config = config

    def make(self, rng: np.random.Generator, source: str) -> Sample:
        """Make a page."""
        image, polygons, texts = make_page(self.config, rng)
        return Sample(image, polygons, texts, np.zeros(len(polygons), dtype=bool), source)


def make_page(
    config: SyntheticConfig, rng: np.random.Generator
) -> tuple[np.ndarray, list[Polygon], list[str]]:
    """Return a picture, the outlines of its words, and the words.

    The picture is uint8, (height, width, 3). An outline is a quad, float32, (4, 2), around the ink,
    clockwise from the word's own top left, in pixels counted at their edges: 0 to `width`.
    """
    page = background.sheet(config.height, config.width, rng)
    wanted = int(rng.integers(config.min_words, config.max_words + 1))
    writer = Writer(config, rng)
    taken = np.empty((0, 4), dtype=int)
    polygons: list[Polygon] = []
    texts: list[str] = []
    failures = 0
    while len(texts) < wanted and failures < FAILURES:
        block = writer.block(wanted - len(texts))
        inked = _turned(block, config.max_angle, rng)
        place = _free_place(inked.mask.size, page.size, taken, rng)
        if place is None or not block.texts:
            failures += 1
            writer.shrink()
            continue
        taken = np.vstack([taken, (*place, *np.add(place, inked.mask.size))])
        background.write(page, inked.mask, place, inked.outline + place, rng)
        polygons += [(quad + place).astype(np.float32) for quad in inked.quads]
        texts += block.texts
    for size in background.clutter_sizes(page.size, rng):
        place = _free_place(size, page.size, taken, rng)
        if place is not None:
            taken = np.vstack([taken, (*place, *np.add(place, size))])
            background.clutter(page, place, size, rng)
    return background.grain(page, rng), polygons, texts


@dataclass
class Print:
    """A block as it will lie on the page: its ink and where that is."""

    mask: Image.Image
    quads: np.ndarray
    """(words, 4, 2)"""
    outline: np.ndarray
    """(4, 2), of the whole block."""


def _turned(block: text_renderer.Block, max_angle: float, rng: np.random.Generator) -> Print:
    """Stretch, slant and turn a block; half of them stay as they are."""
    width, height = block.mask.size
    outline = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    if rng.random() < 0.5:
        return Print(block.mask, block.quads, outline)

    angle = rng.normal(0, 3) if rng.random() < 0.6 else rng.uniform(-max_angle, max_angle)
    turn = np.deg2rad(np.clip(angle, -max_angle, max_angle))
    rotation = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    slant = rng.uniform(-0.3, 0.1) if rng.random() < 0.3 else 0.0
    matrix = rotation @ np.array([(rng.uniform(0.8, 1.25), slant), (0, 1)])

    outline = outline @ matrix.T
    shift = -outline.min(axis=0)
    size = np.ceil(outline.max(axis=0) + shift).astype(int)
    # Pillow wants the way back, from the page to the block.
    back = np.linalg.inv(matrix)
    coefficients = np.column_stack([back, -back @ shift]).ravel()
    mask = block.mask.transform(tuple(size), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    return Print(mask, block.quads @ matrix.T + shift, outline + shift)


def _free_place(
    size: tuple[int, int], room: tuple[int, int], taken: np.ndarray, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return a left and top at which a box overlaps none of those taken, or `None`.

    `size` and `room` are width and height; `taken` is (boxes, 4): left, top, right, bottom.
    """
    slack = np.subtract(room, size)
    if (slack < 0).any():
        return None
    start = rng.integers(0, slack + 1, size=(PLACES, 2))[:, None]
    overlap = ((start < taken[:, 2:]) & (taken[:, :2] < start + size)).all(axis=-1).any(axis=-1)
    free = np.flatnonzero(~overlap)
    return tuple(start[free[0], 0].tolist()) if len(free) else None

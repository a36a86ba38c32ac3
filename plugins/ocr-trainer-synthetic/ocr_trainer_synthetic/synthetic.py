"""The dataset `synthetic`: pages of rendered words with exact outlines, or single words and lines.

A page is a pure function of the run's seed, the split and the index. It consists of blocks that do not
overlap: a single word, a paragraph, or a receipt with amounts at the ends of its lines. A block is set
level and then stretched, sheared and rotated as a whole. The same map moves the corners of each word's
ink to the page, so the outlines fit to the pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ocr_trainer.data.types import Polygon, Sample
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task
from ocr_trainer_runtime.results.fonts import Fonts, find
from ocr_trainer_synthetic import background, text_renderer, wordlist
from ocr_trainer_synthetic.generated import SPLITS, GeneratedSplit
from ocr_trainer_synthetic.plugin import SyntheticConfig
from ocr_trainer_synthetic.texts import Texts, source_of
from ocr_trainer_synthetic.words import Words
from ocr_trainer_synthetic.writer import Writer

MAX_FAILURES = 30
"""Blocks that find no place before a page counts as full."""
PLACE_TRIES = 24
"""Random places tried for each block."""


class Synthetic:
    """Pages of rendered words, or images of words and lines, in three disjoint splits.

    `train`, `val` and `test` are `Pages` for detection and `Words` for recognition; `None` if their length
    is 0.

    Raises:
        DataError: If a font or a list of words cannot be used, or no font has the characters of the words.
    """

    def __init__(self, config: SyntheticConfig, context: Context) -> None:
        fonts = Fonts(find(config.fonts, config.system_fonts))
        if context.task is Task.recognition:
            texts = Texts(config.text, source_of(config.text, fonts, context.data_report), fonts)
            self.characters = texts.characters
            """Every character that the texts can contain, by code point."""
            open_split: Callable[..., Any] = partial(Words, config.text, texts, context.seed)
            lengths = config.text.train_texts, config.text.val_texts, config.text.test_texts
            for split in (split for split, length in zip(SPLITS, lengths, strict=True) if length):
                # A source without usable words fails here, before the model is built.
                texts.text(split, np.random.default_rng(0))
        else:
            open_split = partial(Pages, _with_usable_fonts(config, fonts), context.seed)
            lengths = config.train_pages, config.val_pages, config.test_pages
        self.train, self.val, self.test = (
            open_split(split, length) if length else None
            for split, length in zip(SPLITS, lengths, strict=True)
        )


def _with_usable_fonts(config: SyntheticConfig, fonts: Fonts) -> SyntheticConfig:
    """Return the options with the fonts that have all characters of the default words.

    Raises:
        DataError: If none has them, or a font that the user names lacks one.
    """
    usable = set(fonts.having(wordlist.CHARACTERS))
    for path in config.fonts:
        if path.is_file() and path not in usable:
            lacking = Fonts([path]).lacking(wordlist.CHARACTERS)
            raise DataError(
                f"the font '{path}' lacks characters of the words on pages: {' '.join(lacking)}\n"
                "  fonts: name another font"
            )
    if not usable:
        raise DataError("no font has all characters of the words on pages\n  fonts: name other fonts")
    return replace(config, fonts=[path for path in fonts.paths if path in usable and path is not None])


class Pages(GeneratedSplit[Sample]):
    """A split: pages by index."""

    def __init__(self, config: SyntheticConfig, seed: int, split: str, length: int) -> None:
        super().__init__(seed, split, length)
        self.config = config

    def make(self, rng: np.random.Generator, source: str) -> Sample:
        """Return a random page; see `GeneratedSplit.make`."""
        image, polygons, texts = make_page(self.config, rng)
        return Sample(image, polygons, texts, np.zeros(len(polygons), dtype=bool), source)


def make_page(
    config: SyntheticConfig, rng: np.random.Generator
) -> tuple[np.ndarray, list[Polygon], list[str]]:
    """Generate a page.

    Args:
        config: Options of the page.
        rng: Generator for all random choices.

    Returns:
        The image, uint8, (height, width, 3); the outline of each word, float32, (4, 2); the words. An
        outline is a quadrilateral around the ink, clockwise from the word's own top left: x and y in pixel
        edges, from 0 to the width and height of the page.
    """
    page = background.make_paper(config.height, config.width, rng)
    target = int(rng.integers(config.min_words, config.max_words + 1))
    writer = Writer(config, rng)
    taken = np.empty((0, 4), dtype=int)
    polygons: list[Polygon] = []
    texts: list[str] = []
    failures = 0
    while len(texts) < target and failures < MAX_FAILURES:
        block = writer.block(target - len(texts))
        ink = _transformed(block, config.max_angle, rng)
        place = _free_place(ink.mask.size, page.size, taken, rng)
        if place is None or not block.texts:
            failures += 1
            writer.shrink()
            continue
        taken = np.vstack([taken, (*place, *np.add(place, ink.mask.size))])
        background.draw_ink(page, ink.mask, place, ink.outline + place, rng)
        polygons += [(quad + place).astype(np.float32) for quad in ink.quads]
        texts += block.texts
    for size in background.clutter_sizes(page.size, rng):
        place = _free_place(size, page.size, taken, rng)
        if place is not None:
            taken = np.vstack([taken, (*place, *np.add(place, size))])
            background.draw_clutter(page, place, size, rng)
    return background.add_noise(page, rng), polygons, texts


@dataclass
class PlacedInk:
    """A block after its transformation, relative to the top left of its mask."""

    mask: Image.Image
    """Coverage, mode L."""
    quads: np.ndarray
    """Outlines of the words, float64, (words, 4, 2)."""
    outline: np.ndarray
    """Corners of the whole block, float64, (4, 2)."""


def _transformed(block: text_renderer.Block, max_angle: float, rng: np.random.Generator) -> PlacedInk:
    """Return a block stretched, sheared and rotated, or as it is with probability 0.5."""
    width, height = block.mask.size
    outline = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    if rng.random() < 0.5:
        return PlacedInk(block.mask, block.quads, outline)

    angle = rng.normal(0, 3) if rng.random() < 0.6 else rng.uniform(-max_angle, max_angle)
    radians = np.deg2rad(np.clip(angle, -max_angle, max_angle))
    rotation = np.array([(np.cos(radians), -np.sin(radians)), (np.sin(radians), np.cos(radians))])
    shear = rng.uniform(-0.3, 0.1) if rng.random() < 0.3 else 0.0
    matrix = rotation @ np.array([(rng.uniform(0.8, 1.25), shear), (0, 1)])

    outline = outline @ matrix.T
    shift = -outline.min(axis=0)
    size = np.ceil(outline.max(axis=0) + shift).astype(int)
    # Pillow takes the inverse map, from the page to the block.
    back = np.linalg.inv(matrix)
    coefficients = np.column_stack([back, -back @ shift]).ravel().tolist()
    mask = block.mask.transform(tuple(size), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    return PlacedInk(mask, block.quads @ matrix.T + shift, outline + shift)


def _free_place(
    size: tuple[int, int], page_size: tuple[int, int], taken: np.ndarray, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return the left and top of a random free place for a box, or `None` if no try finds one.

    Args:
        size: Width and height of the box, in pixels.
        page_size: Width and height of the page, in pixels.
        taken: Boxes that it must not overlap, (boxes, 4): left, top, right, bottom.
        rng: Generator for all random choices.
    """
    slack = np.subtract(page_size, size)
    if (slack < 0).any():
        return None
    start = rng.integers(0, slack + 1, size=(PLACE_TRIES, 2))[:, None]
    overlap = ((start < taken[:, 2:]) & (taken[:, :2] < start + size)).all(axis=-1).any(axis=-1)
    free = np.flatnonzero(~overlap)
    return tuple(start[free[0], 0].tolist()) if len(free) else None

"""Images of single words and lines for recognition."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from ocr_trainer.data.types import TextImage
from ocr_trainer_runtime.results.fonts import needs_shaping, open_font
from ocr_trainer_runtime.text.bidi import right_to_left
from ocr_trainer_synthetic import background, text_renderer
from ocr_trainer_synthetic.generated import GeneratedSplit
from ocr_trainer_synthetic.plugin import SyntheticTextConfig
from ocr_trainer_synthetic.texts import Texts

SIZES = 4
"""Steps from the smallest font size to the largest: few, so that the cache of open fonts is hit."""
LOW_INK = 0.4
"""Ink lower than this fraction of an em, such as a dash, keeps the vertical space of letters around it."""
MAX_RISE = 0.25
"""Largest rise of a rotated text from end to end, as a fraction of its height: long lines stay lines."""


class Words(GeneratedSplit[TextImage]):
    """A split: images of texts by index."""

    def __init__(self, config: SyntheticTextConfig, texts: Texts, seed: int, split: str, length: int) -> None:
        super().__init__(seed, split, length)
        self.config, self._source = config, texts

    def make(self, rng: np.random.Generator, source: str) -> TextImage:
        """Return an image of a random text; see `GeneratedSplit.make`."""
        text = self._source.text(self.split, rng)
        paths = self._source.fonts.having(text)
        face = text_renderer.Face(paths[rng.integers(len(paths))], *_size_and_bold(self.config, rng))
        return TextImage(draw(text, face, self.config, rng), text, source)


def _size_and_bold(config: SyntheticTextConfig, rng: np.random.Generator) -> tuple[int, int]:
    """Return a random font size in pixels per em, and the pixels by which strokes are widened."""
    low, high = config.min_font_size, config.max_font_size
    size = round(low * (high / low) ** (rng.integers(SIZES + 1) / SIZES))
    return size, round(size * rng.uniform(0.02, 0.06)) if rng.random() < 0.2 else 0


def draw(
    text: str, face: text_renderer.Face, config: SyntheticTextConfig, rng: np.random.Generator
) -> np.ndarray:
    """Return an image of a text on paper, uint8, (height, width, 3), with all of its ink.

    Args:
        text: What is drawn; the font must have its characters.
        face: Font, size and weight.
        config: Padding, distortion and blur.
        rng: Generator for all random choices.
    """
    mask = _padded(text, face, config, rng)
    mask, outline = _distorted(mask, config, rng)
    if rng.random() < config.blur:
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.04 * face.size)))
    page = background.make_paper(mask.height, mask.width, rng)
    background.draw_ink(page, mask, (0, 0), outline, rng)
    return background.add_noise(page, rng)


def _padded(
    text: str, face: text_renderer.Face, config: SyntheticTextConfig, rng: np.random.Generator
) -> Image.Image:
    """Return the ink of a text with random padding, mode L."""
    shaped = needs_shaping(text)
    # The direction that models learn: that of most letters.
    direction = ("rtl" if right_to_left(text) else "ltr") if shaped else None
    word = text_renderer.draw(text, open_font(face.path, face.size, shaped), direction)
    assert word is not None, "a font that has a character draws it"
    ink = text_renderer.embolden(word.ink, face.bold)
    above = below = 0
    if ink.height < LOW_INK * face.size:
        above = max(0, round(face.size / 2) - word.ascent)
        below = max(0, word.ascent - ink.height)
    height = above + ink.height + below
    left, top, right, bottom = (rng.uniform(0, config.padding, size=4) * height).round().astype(int).tolist()
    frame = Image.new("L", (left + ink.width + right, top + height + bottom))
    frame.paste(ink, (left, top + above))
    return frame


def _distorted(
    mask: Image.Image, config: SyntheticTextConfig, rng: np.random.Generator
) -> tuple[Image.Image, np.ndarray]:
    """Rotate and tilt the ink with probability 0.5; return it and its mapped corners, (4, 2) in pixels."""
    width, height = mask.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    if rng.random() < 0.5:
        return mask, corners
    limit = min(np.deg2rad(config.max_angle), MAX_RISE * height / width)
    radians = np.clip(rng.normal(0, 0.5), -1, 1) * limit
    rotation = np.array([(np.cos(radians), -np.sin(radians)), (np.sin(radians), np.cos(radians))])
    tilt = rng.uniform(-config.perspective, config.perspective, size=(4, 2)) * height
    mapped = corners @ rotation.T + tilt
    mapped -= mapped.min(axis=0)
    size = np.ceil(mapped.max(axis=0)).astype(int).tolist()
    # Pillow takes the inverse map, from the result to the source.
    back = _homography(mapped, corners)
    return mask.transform(size, Image.Transform.PERSPECTIVE, back, Image.Resampling.BILINEAR), mapped


def _homography(points: np.ndarray, images: np.ndarray) -> list[float]:
    """Return the eight coefficients with which Pillow maps four points, (4, 2), to four others."""
    (x, y), (u, v) = points.T, images.T
    one, zero = np.ones(4), np.zeros(4)
    equations = np.vstack(
        [
            np.column_stack([x, y, one, zero, zero, zero, -u * x, -u * y]),
            np.column_stack([zero, zero, zero, x, y, one, -v * x, -v * y]),
        ]
    )
    solution: list[float] = np.linalg.solve(equations, np.concatenate([u, v])).tolist()
    return solution

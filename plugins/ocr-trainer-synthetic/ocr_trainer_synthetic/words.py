"""The pictures of a synthetic dataset for recognition: a word or a line, on paper, cut out."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from ocr_trainer.data.fonts import needs_shaping, open_font
from ocr_trainer.data.types import TextImage
from ocr_trainer_synthetic import background, text_renderer
from ocr_trainer_synthetic.generated import GeneratedSplit
from ocr_trainer_synthetic.plugin import SyntheticTextConfig
from ocr_trainer_synthetic.texts import Texts

SIZES = 4
"""Steps from the smallest font to the largest: few, so that open fonts can be used again."""
LOW = 0.4
"""Lower ink than this share of an em, a dash's, is shown with the space where letters would be."""
RISE = 0.25
"""How much of its height a text may rise from end to end, so that long lines stay lines."""


class Words(GeneratedSplit[TextImage]):
    """A split: pictures of texts by index."""

    def __init__(self, config: SyntheticTextConfig, texts: Texts, seed: int, split: str, length: int) -> None:
        super().__init__(seed, split, length)
        self.config, self._source = config, texts

    def make(self, rng: np.random.Generator, source: str) -> TextImage:
        """Make a picture of a text."""
        text = self._source.text(self.split, rng)
        paths = self._source.fonts.having(text)
        face = text_renderer.Face(paths[rng.integers(len(paths))], *_strokes(self.config, rng))
        return TextImage(draw(text, face, self.config, rng), text, source)


def _strokes(config: SyntheticTextConfig, rng: np.random.Generator) -> tuple[int, int]:
    """Choose the size of a font, and by how much strokes are widened."""
    low, high = config.min_font_size, config.max_font_size
    size = round(low * (high / low) ** (rng.integers(SIZES + 1) / SIZES))
    return size, round(size * rng.uniform(0.02, 0.06)) if rng.random() < 0.2 else 0


def draw(
    text: str, face: text_renderer.Face, config: SyntheticTextConfig, rng: np.random.Generator
) -> np.ndarray:
    """Return a text on paper, uint8 (height, width, 3); all of its ink is there."""
    mask = _framed(text, face, config, rng)
    mask, outline = _askew(mask, config, rng)
    if rng.random() < config.blur:
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.04 * face.size)))
    page = background.sheet(mask.height, mask.width, rng)
    background.write(page, mask, (0, 0), outline, rng)
    return background.grain(page, rng)


def _framed(
    text: str, face: text_renderer.Face, config: SyntheticTextConfig, rng: np.random.Generator
) -> Image.Image:
    """Return the ink of a text with some space around it."""
    word = text_renderer.draw(text, open_font(face.path, face.size, needs_shaping(text)))
    assert word is not None, "a font that has a character draws it"
    ink = text_renderer.widened(word.ink, face.bold)
    above = below = 0
    if ink.height < LOW * face.size:
        above = max(0, round(face.size / 2) - word.rise)
        below = max(0, word.rise - ink.height)
    height = above + ink.height + below
    left, top, right, bottom = (rng.uniform(0, config.padding, size=4) * height).round().astype(int).tolist()
    frame = Image.new("L", (left + ink.width + right, top + height + bottom))
    frame.paste(ink, (left, top + above))
    return frame


def _askew(
    mask: Image.Image, config: SyntheticTextConfig, rng: np.random.Generator
) -> tuple[Image.Image, np.ndarray]:
    """Turn and tilt the ink, half of the time; return it, and where its corners come to lie, (4, 2)."""
    width, height = mask.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    if rng.random() < 0.5:
        return mask, corners
    limit = min(np.deg2rad(config.max_angle), RISE * height / width)
    turn = np.clip(rng.normal(0, 0.5), -1, 1) * limit
    rotation = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    tilt = rng.uniform(-config.perspective, config.perspective, size=(4, 2)) * height
    seen = corners @ rotation.T + tilt
    seen -= seen.min(axis=0)
    size = np.ceil(seen.max(axis=0)).astype(int).tolist()
    back = _homography(seen, corners)
    return mask.transform(size, Image.Transform.PERSPECTIVE, back, Image.Resampling.BILINEAR), seen


def _homography(points: np.ndarray, images: np.ndarray) -> list[float]:
    """Return the eight numbers by which Pillow maps four points, (4, 2), to their images."""
    (x, y), (u, v) = points.T, images.T
    one, nil = np.ones(4), np.zeros(4)
    equations = np.vstack(
        [
            np.column_stack([x, y, one, nil, nil, nil, -u * x, -u * y]),
            np.column_stack([nil, nil, nil, x, y, one, -v * x, -v * y]),
        ]
    )
    solution: list[float] = np.linalg.solve(equations, np.concatenate([u, v])).tolist()
    return solution

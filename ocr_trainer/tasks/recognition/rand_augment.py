"""RandAugment as it was mixed for PARSeq: a few operations at random, all of one strength.

RandAugment: Cubuk et al., https://arxiv.org/abs/1909.13719. The mix is that of Bautista and Atienza,
"Scene Text Recognition with Permuted Autoregressive Sequence Models", https://arxiv.org/abs/2207.06966:
the operations of `timm` that grow with the magnitude, without Sharpness, with Gaussian blur and Poisson
noise. Two things are otherwise here, so that no text is lost: whatever moves a text makes room for it,
and nothing is solarised that would go under in its background.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageOps

from ocr_trainer.data.photometric import blur
from ocr_trainer.data.types import Image
from ocr_trainer.tasks.recognition.canvas import carry, gentle, rotating, slanting

Operation = Callable[[Image, float, np.random.Generator], Image]
"""From an image, a level from 0 to 1 and what chance follows from."""

CHANCE = 0.5
"""How often an operation that was drawn is carried out."""


def rand_augment(image: Image, layers: int, magnitude: float, rng: np.random.Generator) -> Image:
    """Draw `layers` different operations, and carry each out half of the time; `magnitude` is 0 to 10."""
    names = list(OPERATIONS)
    for place in rng.choice(len(names), size=min(layers, len(names)), replace=False):
        if rng.random() < CHANCE:
            image = OPERATIONS[names[place]](image, magnitude / 10, rng)
    return image


def _by_pillow(change: Callable[[Pillow.Image, float], Pillow.Image]) -> Operation:
    return lambda image, level, _: np.array(change(Pillow.fromarray(image), level))


def _enhance(kind: Callable[[Pillow.Image], ImageEnhance._Enhance]) -> Operation:
    def change(image: Image, level: float, rng: np.random.Generator) -> Image:
        factor = max(0.1, 1 + _either(0.9 * level, rng))
        return np.array(kind(Pillow.fromarray(image)).enhance(factor))

    return change


def _either(value: float, rng: np.random.Generator) -> float:
    """Return a value or its negative."""
    return value if rng.random() < 0.5 else -value


def _rotate(image: Image, level: float, rng: np.random.Generator) -> Image:
    return carry(image, rotating(image, _either(30 * level, rng)))


def _shear_x(image: Image, level: float, rng: np.random.Generator) -> Image:
    return carry(image, slanting(_either(0.9 * level, rng), 0))


def _shear_y(image: Image, level: float, rng: np.random.Generator) -> Image:
    return carry(image, slanting(0, gentle(image, _either(0.2 * level, rng))))


def _translate_x(image: Image, level: float, rng: np.random.Generator) -> Image:
    return _shift(image, _either(0.1 * level, rng) * image.shape[1], axis=0)


def _translate_y(image: Image, level: float, rng: np.random.Generator) -> Image:
    return _shift(image, _either(0.3 * level, rng) * image.shape[0], axis=1)


def _shift(image: Image, pixels: float, axis: int) -> Image:
    """Add pixels at the beginning of an axis, 0 for x; at its end if they are negative."""
    borders = np.zeros((2, 2))
    borders[int(pixels < 0), axis] = -round(pixels)
    return carry(image, np.eye(3), borders)


def _solarise(image: Image, level: float, _: np.random.Generator) -> Image:
    """Invert what is bright, unless the text would then look like its background."""
    changed = np.array(ImageOps.solarize(Pillow.fromarray(image), 256 - int(256 * level)))
    return changed if changed.std() >= 0.5 * image.std() else image


def _solarise_add(image: Image, level: float, _: np.random.Generator) -> Image:
    values = np.arange(256)
    table = np.where(values < 128, np.minimum(values + int(110 * level), 255), values)
    return cv2.LUT(image, table.astype(np.uint8))


def _gaussian_blur(image: Image, level: float, _: np.random.Generator) -> Image:
    radius = round(min(4 * level, max(1, 0.02 * max(image.shape))))
    return blur(image, radius, radius)


def _poisson_noise(image: Image, level: float, rng: np.random.Generator) -> Image:
    mean = round(min(40 * level, max(1, 0.2 * max(image.shape)))) | 1
    shape = (*image.shape[:2], 1)
    noise = rng.poisson(mean, shape) * rng.choice([-1, 1], shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": _by_pillow(lambda image, _: ImageOps.autocontrast(image)),
    "equalise": _by_pillow(lambda image, _: ImageOps.equalize(image)),
    "invert": _by_pillow(lambda image, _: ImageOps.invert(image)),
    "rotate": _rotate,
    "posterise": _by_pillow(lambda image, level: ImageOps.posterize(image, max(1, 4 - int(4 * level)))),
    "solarise": _solarise,
    "solarise_add": _solarise_add,
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "gaussian_blur": _gaussian_blur,
    "poisson_noise": _poisson_noise,
}
"""By name, in the order they are drawn from."""

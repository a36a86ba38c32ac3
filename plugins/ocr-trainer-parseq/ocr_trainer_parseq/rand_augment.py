"""RandAugment with PARSeq's operations: a few at random, all at one magnitude.

RandAugment: Cubuk et al., https://arxiv.org/abs/1909.13719. The operations are those of Bautista and
Atienza, "Scene Text Recognition with Permuted Autoregressive Sequence Models", ECCV 2022,
https://arxiv.org/abs/2207.06966: the increasing operations of `timm` without Sharpness, plus Gaussian blur
and Poisson noise. Two differences keep the text readable: geometric operations enlarge the canvas instead
of cutting the text off, and solarization is skipped where the text would fade into its background.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageOps

from ocr_trainer.data.photometric import blur
from ocr_trainer.data.types import Image
from ocr_trainer.tasks.recognition.canvas import carry, gentle, rotating, size_of, slanting

Operation = Callable[[Image, float, np.random.Generator], Image]
"""Maps an image (uint8, (height, width, 3), RGB), a level from 0 to 1 and a generator to an image."""

PROBABILITY = 0.5
"""The probability that an operation runs once it is drawn, as in timm."""


def rand_augment(image: Image, layers: int, magnitude: float, rng: np.random.Generator) -> Image:
    """Draw different operations and apply each with probability 0.5.

    Args:
        image: uint8, (height, width, 3), RGB; not changed in place.
        layers: Number of operations to draw; all of them if there are fewer.
        magnitude: Strength of the operations, 0 to 10.
        rng: Every random number is drawn from it.

    Returns:
        uint8, (height, width, 3), RGB; the size may differ from that of `image`.
    """
    names = list(OPERATIONS)
    for index in rng.choice(len(names), size=min(layers, len(names)), replace=False):
        if rng.random() < PROBABILITY:
            image = OPERATIONS[names[index]](image, magnitude / 10, rng)
    return image


def _pillow_operation(change: Callable[[Pillow.Image, float], Pillow.Image]) -> Operation:
    return lambda image, level, _: np.array(change(Pillow.fromarray(image), level))


def _enhance(kind: Callable[[Pillow.Image], ImageEnhance._Enhance]) -> Operation:
    def change(image: Image, level: float, rng: np.random.Generator) -> Image:
        # A factor of 0 would leave a blank image: it removes all contrast or brightness.
        factor = max(0.1, 1 + _random_sign(0.9 * level, rng))
        return np.array(kind(Pillow.fromarray(image)).enhance(factor))

    return change


def _random_sign(value: float, rng: np.random.Generator) -> float:
    """Return the value or its negative, with equal probability."""
    return value if rng.random() < 0.5 else -value


def _rotate(image: Image, level: float, rng: np.random.Generator) -> Image:
    return carry(image, rotating(size_of(image), _random_sign(30 * level, rng)))


def _shear_x(image: Image, level: float, rng: np.random.Generator) -> Image:
    return carry(image, slanting(_random_sign(0.9 * level, rng), 0))


def _shear_y(image: Image, level: float, rng: np.random.Generator) -> Image:
    return carry(image, slanting(0, gentle(size_of(image), _random_sign(0.2 * level, rng))))


def _translate_x(image: Image, level: float, rng: np.random.Generator) -> Image:
    return _shift(image, _random_sign(0.1 * level, rng) * image.shape[1], axis=0)


def _translate_y(image: Image, level: float, rng: np.random.Generator) -> Image:
    return _shift(image, _random_sign(0.3 * level, rng) * image.shape[0], axis=1)


def _shift(image: Image, pixels: float, axis: int) -> Image:
    """Pad the start of an axis (0 for x, 1 for y) by that many pixels, or its end if negative.

    The canvas grows instead of pushing the text out of the image.
    """
    borders = np.zeros((2, 2))
    borders[int(pixels < 0), axis] = -round(pixels)
    return carry(image, np.eye(3), borders)


def _solarize(image: Image, level: float, _: np.random.Generator) -> Image:
    """Invert bright pixels, unless that removes more than half of the contrast."""
    # Dark text on white would become dark on black.
    changed = np.array(ImageOps.solarize(Pillow.fromarray(image), 256 - int(256 * level)))
    return changed if changed.std() >= 0.5 * image.std() else image


def _solarize_add(image: Image, level: float, _: np.random.Generator) -> Image:
    # Only dark values (below 128) grow, as in timm.
    values = np.arange(256)
    table = np.where(values < 128, np.minimum(values + int(110 * level), 255), values)
    mapped: Image = cv2.LUT(image, table.astype(np.uint8))
    return mapped


def _gaussian_blur(image: Image, level: float, _: np.random.Generator) -> Image:
    radius = round(min(4 * level, max(1, 0.02 * max(image.shape))))
    return blur(image, radius, radius)


def _poisson_noise(image: Image, level: float, rng: np.random.Generator) -> Image:
    # As in the authors' code, the mean is odd: 41 gray levels at most, less on small images.
    mean = round(min(40 * level, max(1, 0.2 * max(image.shape)))) | 1
    shape = (*image.shape[:2], 1)
    noise = rng.poisson(mean, shape) * rng.choice([-1, 1], shape)
    noisy: Image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return noisy


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": _pillow_operation(lambda image, _: ImageOps.autocontrast(image)),
    "equalize": _pillow_operation(lambda image, _: ImageOps.equalize(image)),
    "invert": _pillow_operation(lambda image, _: ImageOps.invert(image)),
    "rotate": _rotate,
    "posterize": _pillow_operation(
        lambda image, level: ImageOps.posterize(image, max(1, 4 - int(4 * level)))
    ),
    "solarize": _solarize,
    "solarize_add": _solarize_add,
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
"""The operations by name. Their order is part of what a seed means: an index is drawn, not a name."""

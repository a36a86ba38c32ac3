"""Pages as detectors take them: resized, and padded at the right and bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ocr_trainer_runtime.detection.tiles import Scaled
from ocr_trainer_runtime.geometry import resize
from ocr_trainer_runtime.options import Side
from ocr_trainer_runtime.types import Image


class SideRule(Protocol):
    """One side has a given length."""

    @property
    def side(self) -> Side:
        """Which side."""

    @property
    def size(self) -> int:
        """Its length, in pixels."""

    @property
    def max_side(self) -> int:
        """The longest side after resizing, in pixels; it overrides the others."""


def scale_of(height: int, width: int, rule: SideRule) -> float:
    """Return the factor to resize an image by."""
    short, long = min(height, width), max(height, width)
    factor = {
        Side.short: rule.size / short,
        Side.long: rule.size / long,
        Side.width: rule.size / width,
        Side.at_least: max(rule.size / short, 1.0),
        Side.none: 1.0,
    }[rule.side]
    return min(factor, rule.max_side / long)


def fit(image: Image, model: Scaled) -> tuple[Image, tuple[float, float]]:
    """Resize an image by the model's `scale`.

    Returns:
        The resized image, and the factors of x and y, which differ slightly because sides are rounded.
    """
    height, width = image.shape[:2]
    scale = model.scale(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    return resize(image, new_height, new_width), (new_width / width, new_height / height)


def pad(images: Sequence[Image], stride: int) -> np.ndarray:
    """Stack images of any sizes, padded with black at the right and bottom to a multiple of `stride`.

    Returns:
        uint8, (images, 3, height, width).
    """
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    height, width = -(-height // stride) * stride, -(-width // stride) * stride
    canvas = np.zeros((len(images), height, width, 3), dtype=np.uint8)
    for place, image in zip(canvas, images, strict=True):
        place[: image.shape[0], : image.shape[1]] = image
    return canvas.transpose(0, 3, 1, 2).copy()

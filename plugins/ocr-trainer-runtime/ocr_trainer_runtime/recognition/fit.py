"""Images of texts as recognizers take them: at one height, in batches padded on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ocr_trainer_runtime.geometry import resize
from ocr_trainer_runtime.types import Image


class ProportionalRule(Protocol):
    """One height, and the width that keeps the aspect ratio, within limits."""

    @property
    def height(self) -> int:
        """In pixels."""

    @property
    def min_width(self) -> int:
        """Narrower texts are stretched to it, in pixels."""

    @property
    def max_width(self) -> int:
        """Wider texts are squeezed to it, in pixels."""


class FixedRule(Protocol):
    """One size, or with `keep_ratio` one height and the width that keeps the aspect ratio if it fits."""

    @property
    def height(self) -> int:
        """In pixels."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def keep_ratio(self) -> bool:
        """Whether narrower texts keep their aspect ratio."""


class Sized(Protocol):
    """A recognizer, as far as it says how large it sees an image."""

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that an image is resized to."""


def proportional_size(height: int, width: int, rule: ProportionalRule) -> tuple[int, int]:
    """Return the height and width of an image that keeps its aspect ratio, within limits."""
    proportional = round(width * rule.height / height)
    return rule.height, min(max(proportional, rule.min_width), rule.max_width)


def fixed_size(height: int, width: int, rule: FixedRule, min_width: int) -> tuple[int, int]:
    """Return the one size; with `keep_ratio`, the width that keeps the aspect ratio, from `min_width`."""
    if not rule.keep_ratio:
        return rule.height, rule.width
    return rule.height, min(max(round(width * rule.height / height), min_width), rule.width)


def fit(image: Image, model: Sized) -> Image:
    """Resize an image to the model's `size`."""
    return resize(image, *model.size(*image.shape[:2]))


def pad(images: Sequence[Image], stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Stack images of equal height, padded with black at the right to a multiple of `stride`.

    Returns:
        uint8, (images, 3, height, width), and int64, (images,): the width of each image without padding.
    """
    widths = np.array([image.shape[1] for image in images], dtype=np.int64)
    width = -(-int(widths.max()) // stride) * stride
    canvas = np.zeros((len(images), images[0].shape[0], width, 3), dtype=np.uint8)
    for place, image in zip(canvas, images, strict=True):
        place[:, : image.shape[1]] = image
    return canvas.transpose(0, 3, 1, 2).copy(), widths

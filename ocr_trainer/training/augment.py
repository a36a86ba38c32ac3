"""Varies training images; polygons follow the pixels.

One affine map carries an image to its crop. A point (x, y) is the centre of the pixel in column x
and row y, as in OpenCV, so that resizing by f maps x to f (x + 0.5) - 0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ocr_trainer.schema import AugmentConfig
from ocr_trainer.training.samples import Image, Polygon, Sample

Affine = np.ndarray
"""float64, (2, 3): multiplied with (x, y, 1)."""


def resize(image: Image, height: int, width: int) -> Image:
    """Resize to a size, averaging over area where that makes the image smaller."""
    smaller = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def resize_points(polygons: list[Polygon], fx: float, fy: float) -> list[Polygon]:
    """Move polygons as `resize` moves pixels; with 1 / fx and 1 / fy, back."""
    factor = np.array([fx, fy], dtype=np.float32)
    return [((polygon + 0.5) * factor - 0.5).astype(np.float32) for polygon in polygons]


class Augmenter:
    """Makes a crop of `config.crop` pixels from a sample, varied at random."""

    def __init__(self, config: AugmentConfig, scale: Callable[[int, int], float]) -> None:
        """Keep the options and how the model scales an image when it is scored."""
        self.config = config
        self.scale = scale

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the varied crop; polygons that lie wholly outside of it are left out."""
        config = self.config
        height, width = sample.image.shape[:2]
        low, high = np.log(config.scale)
        factor = self.scale(height, width) * float(np.exp(rng.uniform(low, high)))
        image, polygons = sample.image, sample.polygons
        if factor < 1:
            new_height, new_width = max(1, round(height * factor)), max(1, round(width * factor))
            image = resize(image, new_height, new_width)
            polygons = resize_points(polygons, new_width / width, new_height / height)
        affine = self._affine(image.shape[1], image.shape[0], max(1.0, factor), rng)
        polygons = [_apply(affine, polygon) for polygon in polygons]
        offset = self._offset(_extent(affine, image), polygons, sample.ignore, rng)
        affine[:, 2] -= offset
        polygons = [polygon - offset for polygon in polygons]
        crop = cv2.warpAffine(image, affine, (config.crop, config.crop), flags=cv2.INTER_LINEAR)
        inside = [i for i, polygon in enumerate(polygons) if _touches(polygon, config.crop)]
        return Sample(
            image=_recolour(crop, config.colour, rng),
            polygons=[polygons[i].astype(np.float32) for i in inside],
            texts=[sample.texts[i] for i in inside],
            ignore=sample.ignore[inside],
            source=sample.source,
        )

    def _affine(self, width: int, height: int, factor: float, rng: np.random.Generator) -> Affine:
        """Draw the rotation and the flip, about the middle of the image."""
        angle = rng.uniform(-self.config.rotate, self.config.rotate)
        affine = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, factor)
        if rng.random() < self.config.flip:
            affine = affine @ np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])
        return affine

    def _offset(
        self, extent: np.ndarray, polygons: list[Polygon], ignore: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose the crop's top left corner, so that it holds (part of) a text if it is to."""
        crop = self.config.crop
        low, high = extent[0], np.maximum(extent[0], extent[1] - crop)
        wanted = np.flatnonzero(~ignore)
        if len(wanted) and rng.random() < self.config.text_share:
            polygon = polygons[rng.choice(wanted)]
            # Any point of the text will do, else a line longer than the crop would always be centred.
            point = rng.uniform(polygon.min(axis=0), polygon.max(axis=0))
            low, high = np.clip(point - crop, low, high), np.clip(point, low, high)
        return np.round(rng.uniform(low, np.maximum(low, high)))


def _apply(affine: Affine, points: np.ndarray) -> np.ndarray:
    return points @ affine[:, :2].T + affine[:, 2]


def _extent(affine: Affine, image: Image) -> np.ndarray:
    """Return the box around the mapped image: [[left, top], [right, bottom]]."""
    height, width = image.shape[:2]
    corners = _apply(affine, np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64))
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def _touches(polygon: Polygon, size: int) -> bool:
    return bool((polygon.max(axis=0) > 0).all() and (polygon.min(axis=0) < size - 1).all())


def _recolour(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Change contrast and brightness."""
    if not strength:
        return image
    contrast, shift = 1 + rng.uniform(-strength, strength), 255 * rng.uniform(-strength, strength) / 2
    table = np.clip((np.arange(256) - 127.5) * contrast + 127.5 + shift, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table)

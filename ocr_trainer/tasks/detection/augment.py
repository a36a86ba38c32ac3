"""Augmentation of detection images; polygons follow the pixels.

All geometric changes are one matrix (see `ocr_trainer.data.geometry`): it resamples the image once and maps
the polygons. Photometric changes come afterwards, in `ocr_trainer.data.photometric`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ocr_trainer.data import photometric
from ocr_trainer.data.geometry import (
    Homography,
    apply,
    apply_all,
    corners,
    extent,
    mirroring,
    resize,
    resize_points,
    resizing,
    scaling,
    shifting,
    tilting,
    turning,
    warp,
)
from ocr_trainer.data.types import Image, Polygon, Sample
from ocr_trainer.tasks.detection.config import AugmentConfig
from ocr_trainer.tasks.detection.regions import whole_region


@dataclass(frozen=True, slots=True)
class View:
    """The part of a sample that a crop shows."""

    image: Image
    """The sample's image. It is reduced first if the crop shows it smaller: a warp alone would alias."""
    matrix: Homography
    """Maps pixels of `image` to pixels of the crop."""
    polygons: list[np.ndarray]
    """All polygons of the sample, in pixels of the crop."""
    filled: np.ndarray
    """(2,): the width and height of the crop that the image fills, in pixels. The rest is black."""


class Augmenter:
    """Makes a randomly varied crop of `config.crop` pixels from a sample.

    Args:
        config: The options.
        scale: The model's factor from image height and width to its own scale, as in `Detector.scale`.
    """

    def __init__(self, config: AugmentConfig, scale: Callable[[int, int], float]) -> None:
        self.config = config
        self.scale = scale

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the crop. Polygons that lie entirely outside of it are dropped."""
        view = self._between_texts(sample, rng) if self.config.whole_text else self._anywhere(sample, rng)
        columns, rows = np.ceil(view.filled - 1e-6).astype(int)
        crop = warp(view.image, view.matrix, self.config.crop, self.config.crop)
        # Beyond the chosen region, the warp also shows texts that the crop's border cuts.
        crop[rows:] = 0
        crop[:, columns:] = 0
        inside = [i for i, polygon in enumerate(view.polygons) if _touches(polygon, view.filled)]
        return Sample(
            image=photometric.vary(crop, self.config, rng),
            polygons=[view.polygons[i].astype(np.float32) for i in inside],
            texts=[sample.texts[i] for i in inside],
            ignore=sample.ignore[inside],
            source=sample.source,
        )

    def _anywhere(self, sample: Sample, rng: np.random.Generator) -> View:
        """Scale the image at random and place the crop anywhere; its border may cut texts."""
        height, width = sample.image.shape[:2]
        low, high = np.log(self.config.scale)
        factor = self.scale(height, width) * float(np.exp(rng.uniform(low, high)))
        image, polygons = _shrunk(sample.image, factor), sample.polygons
        if factor < 1:
            polygons = resize_points(polygons, image.shape[1] / width, image.shape[0] / height)
        matrix = self._turn(image, polygons, max(1.0, factor), rng)
        polygons = apply_all(matrix, polygons)
        reach = extent(apply(matrix, corners(image.shape[1], image.shape[0])))
        offset = self._offset(reach, polygons, sample.ignore, rng)
        filled = np.full(2, self.config.crop)
        return View(image, shifting(-offset) @ matrix, [polygon - offset for polygon in polygons], filled)

    def _between_texts(self, sample: Sample, rng: np.random.Generator) -> View:
        """Choose a region whose border cuts no text, and scale it to fill the crop's width or height."""
        height, width = sample.image.shape[:2]
        matrix = self._turn(sample.image, sample.polygons, 1.0, rng)
        reach = extent(apply(matrix, corners(width, height) - 0.5))
        texts = apply_all(matrix, [sample.polygons[i] for i in np.flatnonzero(~sample.ignore)])
        with_text = bool(texts) and rng.random() < self.config.text_share
        region = whole_region(reach, texts, with_text, rng)
        sides = region[1] - region[0]
        factor = self.config.crop / float(sides.max())
        matrix = scaling(factor, factor, *region[0]) @ matrix
        polygons = apply_all(matrix, sample.polygons)
        image = _shrunk(sample.image, factor)
        shrinking = resizing(image.shape[1] / width, image.shape[0] / height)
        return View(image, matrix @ np.linalg.inv(shrinking), polygons, factor * sides)

    def _turn(
        self, image: Image, polygons: list[Polygon], factor: float, rng: np.random.Generator
    ) -> Homography:
        """Return a matrix with random rotation, flip and perspective, magnified by a factor."""
        height, width = image.shape[:2]
        angle = rng.uniform(-self.config.rotate, self.config.rotate)
        matrix = turning(width, height, angle, factor)
        if rng.random() < self.config.flip:
            matrix = matrix @ mirroring(width)
        if share := self.config.perspective:
            points = np.concatenate([corners(width, height) - 0.5, *polygons])
            matrix = matrix @ tilting(points, rng.uniform(-share, share, size=(4, 2)))
        return matrix

    def _offset(
        self, reach: np.ndarray, polygons: list[np.ndarray], ignore: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose the crop's top left corner; with probability `text_share`, the crop shows part of a text."""
        crop = self.config.crop
        low, high = reach[0], np.maximum(reach[0], reach[1] - crop)
        texts = np.flatnonzero(~ignore)
        if len(texts) and rng.random() < self.config.text_share:
            polygon = polygons[rng.choice(texts)]
            # Any point of the text: with its center, a line longer than the crop would always be centered.
            point = rng.uniform(polygon.min(axis=0), polygon.max(axis=0))
            low, high = np.clip(point - crop, low, high), np.clip(point, low, high)
        offset: np.ndarray = np.round(rng.uniform(low, np.maximum(low, high)))
        return offset


def _shrunk(image: Image, factor: float) -> Image:
    """Resize an image by a factor if it is below 1."""
    if factor >= 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return resize(image, height, width)


def _touches(polygon: np.ndarray, sides: np.ndarray) -> bool:
    return bool((polygon.max(axis=0) > 0).all() and (polygon.min(axis=0) < sides - 1).all())

"""Augmentation of detection images; polygons follow the pixels.

All geometric changes are one matrix (see `ocr_trainer.data.view`): it resamples the image once and maps the
polygons. Photometric changes come afterwards, in `ocr_trainer.data.photometric`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ocr_trainer.data import photometric
from ocr_trainer.data.augmentation import NO_STEPS, Steps
from ocr_trainer.data.geometry import apply_all, mirroring, scaling, shifting, tilting, turning
from ocr_trainer.data.types import Sample
from ocr_trainer.data.view import View
from ocr_trainer.tasks.detection.config import AugmentConfig
from ocr_trainer.tasks.detection.regions import whole_region
from ocr_trainer_runtime.geometry import Homography, apply, corners, extent


class Augmenter:
    """Makes a randomly varied crop of `config.crop` pixels from a sample.

    Args:
        config: The options.
        scale: The model's factor from image height and width to its own scale, as in `Detector.scale`.
        steps: The augmentation plugins: those before see the page, those after see the crop.
    """

    def __init__(
        self, config: AugmentConfig, scale: Callable[[int, int], float], steps: Steps = NO_STEPS
    ) -> None:
        self.config = config
        self.scale = scale
        self.steps = steps

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the crop. Polygons that lie entirely outside of it are dropped."""
        view = self.steps.prepare(View.of(sample), rng)
        if self.config.whole_text:
            self._between_texts(view, rng)
        else:
            self._anywhere(view, rng)
        view.image = photometric.vary(view.image, self.config, rng)
        return self.steps.finish(view, rng, fixed=True).sample()

    def _anywhere(self, view: View, rng: np.random.Generator) -> None:
        """Scale the image at random and place the crop anywhere; its border may cut texts."""
        height, width = view.size
        low, high = np.log(self.config.scale)
        factor = self.scale(height, width) * float(np.exp(rng.uniform(low, high)))
        if factor < 1:
            height, width = (max(1, round(side * factor)) for side in (height, width))
            view.resize(height, width)
        matrix = self._turn(view, max(1.0, factor), rng)
        view.transform(matrix)
        offset = self._offset(extent(apply(matrix, corners(width, height))), view, rng)
        view.transform(shifting(-offset))
        view.crop(self.config.crop, self.config.crop)

    def _between_texts(self, view: View, rng: np.random.Generator) -> None:
        """Choose a region whose border cuts no text, and scale it to fill the crop's width or height."""
        height, width = view.size
        matrix = self._turn(view, 1.0, rng)
        reach = extent(apply(matrix, corners(width, height) - 0.5))
        texts = apply_all(matrix, [view.polygons[i] for i in np.flatnonzero(~view.ignore)])
        with_text = bool(texts) and rng.random() < self.config.text_share
        region = whole_region(reach, texts, with_text, rng)
        sides = region[1] - region[0]
        factor = self.config.crop / float(sides.max())
        view.transform(scaling(factor, factor, *region[0]) @ matrix, factor)
        view.crop(self.config.crop, self.config.crop, filled=factor * sides)

    def _turn(self, view: View, factor: float, rng: np.random.Generator) -> Homography:
        """Return a matrix with random rotation, flip and perspective, magnified by a factor."""
        height, width = view.size
        angle = rng.uniform(-self.config.rotate, self.config.rotate)
        matrix = turning(width, height, angle, factor)
        if rng.random() < self.config.flip:
            matrix = matrix @ mirroring(width)
        if share := self.config.perspective:
            points = np.concatenate([corners(width, height) - 0.5, *view.polygons])
            matrix = matrix @ tilting(points, rng.uniform(-share, share, size=(4, 2)))
        return matrix

    def _offset(self, reach: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
        """Choose the crop's top left corner; with probability `text_share`, the crop shows part of a text."""
        crop = self.config.crop
        low, high = reach[0], np.maximum(reach[0], reach[1] - crop)
        texts = np.flatnonzero(~view.ignore)
        if len(texts) and rng.random() < self.config.text_share:
            polygon = view.polygons[rng.choice(texts)]
            # Any point of the text: with its center, a line longer than the crop would always be centered.
            point = rng.uniform(polygon.min(axis=0), polygon.max(axis=0))
            low, high = np.clip(point - crop, low, high), np.clip(point, low, high)
        offset: np.ndarray = np.round(rng.uniform(low, np.maximum(low, high)))
        return offset

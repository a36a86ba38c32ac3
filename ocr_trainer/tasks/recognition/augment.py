"""Varies the training images of texts; what is written on them stays as it is, and stays readable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np

from ocr_trainer.data import photometric
from ocr_trainer.data.augmentation import NO_STEPS, Steps
from ocr_trainer.data.geometry import scaling, tilting
from ocr_trainer.data.photometric import occurs
from ocr_trainer.data.types import Image, TextImage
from ocr_trainer.data.view import View
from ocr_trainer.tasks.recognition.canvas import canvas, outline, rotating, size_of, slanting
from ocr_trainer.tasks.recognition.config import AugmentConfig
from ocr_trainer_runtime.geometry import Homography


class TextView(View):
    """The view of an image of one text. The text is that of the whole image, whatever is cut off."""

    @classmethod
    def of_text(cls, sample: TextImage) -> Self:
        """Return the view of a whole image."""
        border = outline(size_of(sample.image)).astype(np.float32)
        return cls(sample.image, [border], [sample.text], np.zeros(1, dtype=bool), sample.source)

    def keep(self, chosen: Sequence[bool] | np.ndarray) -> None:
        """Keep the text."""

    def clip(self) -> None:
        """Leave the polygon as it is."""

    def fault(self) -> str | None:
        """Return what is wrong with the text after an augmentation, or `None`."""
        if len(self.texts) != 1 or not isinstance(self.texts[0], str) or not self.texts[0].strip():
            return f"it leaves the texts {self.texts!r:.80}, but an image to recognize has exactly one"
        return super().fault()

    def _outside(self) -> np.ndarray:
        return np.zeros(len(self.polygons), dtype=bool)


class TextAugmenter:
    """Varies an image at random before it is resized to what the model sees.

    Args:
        config: The options.
        height: Height of what the model sees, in pixels. Images of more than twice that are made smaller
            before: noise would average out, and time be spent on pixels that nobody sees.
        steps: The augmentation plugins before and after the options.
    """

    def __init__(self, config: AugmentConfig, height: int = 64, steps: Steps = NO_STEPS) -> None:
        self.config, self.height, self.steps = config, height, steps

    def __call__(self, sample: TextImage, rng: np.random.Generator) -> TextImage:
        """Return the varied sample, whose image has another size as a rule."""
        view = self.steps.prepare(TextView.of_text(sample), rng)
        height, width = view.size
        if height > 2 * self.height:
            height, width = 2 * self.height, max(1, round(2 * self.height * width / height))
            view.resize(height, width)
        self._move(view, rng)
        view.image = self._degrade(view.image, height, rng)
        view = self.steps.finish(view, rng)
        return TextImage(view.sample().image, view.texts[0], sample.source)

    def _degrade(self, image: Image, height: int, rng: np.random.Generator) -> Image:
        """Vary strokes, light and sharpness of a text of the given height."""
        config = self.config
        # One pixel at 32: what would make 64 thicker makes a small print a blot.
        size = max(2, round(height / 24))
        if occurs(config.erode, rng):
            image = photometric.thin(image, size, rng.random())
        if occurs(config.dilate, rng):
            image = photometric.thicken(image, size, rng.random())
        if occurs(config.invert, rng):
            image = 255 - image
        if occurs(config.motion, rng):
            image = photometric.smear(
                image, rng.uniform(0, config.motion_length * height), rng.uniform(0, 180)
            )
        return photometric.vary(image, config, rng, unit=height)

    def _move(self, view: View, rng: np.random.Generator) -> None:
        """Draw slant, rotation, perspective, width and borders, if any is to change."""
        config = self.config
        if not any((config.rotate, config.shear, config.perspective, config.jitter, config.stretch > 1)):
            return
        stretch = np.log(config.stretch)
        matrix = rotating(view.size, rng.uniform(-config.rotate, config.rotate))
        matrix = matrix @ slanting(rng.uniform(-config.shear, config.shear), 0)
        matrix = matrix @ self._tilt(view.size, rng)
        matrix = scaling(float(np.exp(rng.uniform(-stretch, stretch))), 1) @ matrix
        borders = rng.uniform(-config.jitter, config.jitter, size=(2, 2)) * view.size[0]
        matrix, (height, width) = canvas(view.size, matrix, borders)
        view.transform(matrix)
        view.crop(width, height, border=cv2.BORDER_REPLICATE)

    def _tilt(self, size: tuple[int, int], rng: np.random.Generator) -> Homography:
        share = self.config.perspective * min(size)
        moves = rng.uniform(-share, share, size=(4, 2)) / size[::-1]
        return tilting(outline(size), moves)

"""Varies the training images of texts; what is written on them stays as it is, and stays readable."""

from __future__ import annotations

import numpy as np

from ocr_trainer.data import photometric
from ocr_trainer.data.geometry import Homography, resize, scaling, tilting
from ocr_trainer.data.photometric import occurs
from ocr_trainer.data.types import Image
from ocr_trainer.tasks.recognition.canvas import carry, outline, rotating, slanting
from ocr_trainer.tasks.recognition.config import AugmentConfig


class TextAugmenter:
    """Varies an image at random before it is resized to what the model sees."""

    def __init__(self, config: AugmentConfig, height: int = 64) -> None:
        """Keep the options.

        Args:
            config: The options.
            height: Of what the model sees. Images of more than twice that are made smaller before: noise
                would average out, and time be spent on pixels that nobody sees.
        """
        self.config, self.height = config, height

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the varied image, of another size as a rule; uint8, (height, width, 3)."""
        config = self.config
        height, width = image.shape[:2]
        if height > 2 * self.height:
            height, width = 2 * self.height, max(1, round(2 * self.height * width / height))
            image = resize(image, height, width)
        image = self._move(image, rng)
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

    def _move(self, image: Image, rng: np.random.Generator) -> Image:
        """Draw slant, rotation, perspective, width and borders, and resample once if any is to change."""
        config = self.config
        if not any((config.rotate, config.shear, config.perspective, config.jitter, config.stretch > 1)):
            return image
        stretch = np.log(config.stretch)
        matrix = rotating(image, rng.uniform(-config.rotate, config.rotate))
        matrix = matrix @ slanting(rng.uniform(-config.shear, config.shear), 0)
        matrix = matrix @ self._tilt(image, rng)
        matrix = scaling(float(np.exp(rng.uniform(-stretch, stretch))), 1) @ matrix
        borders = rng.uniform(-config.jitter, config.jitter, size=(2, 2)) * image.shape[0]
        return carry(image, matrix, borders)

    def _tilt(self, image: Image, rng: np.random.Generator) -> Homography:
        share = self.config.perspective * min(image.shape[:2])
        moves = rng.uniform(-share, share, size=(4, 2)) / image.shape[1::-1]
        return tilting(outline(image), moves)

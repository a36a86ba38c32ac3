"""From an image to its texts: a detector followed by a recognizer, whatever runs their networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ocr_trainer_runtime.detection.fit import fit, pad
from ocr_trainer_runtime.detection.heights import warn_of_small_texts
from ocr_trainer_runtime.detection.tiles import BORDER, merge, plan
from ocr_trainer_runtime.errors import ConfigError
from ocr_trainer_runtime.geometry import corners, resize_points
from ocr_trainer_runtime.options import Tiles, TilesRule
from ocr_trainer_runtime.recognition import fit as texts
from ocr_trainer_runtime.recognition.rectify import cut
from ocr_trainer_runtime.types import Detections, Image, Polygon, Recognition

BATCH_SIZE = 64
"""The number of texts to recognize at once."""
EMPTY = Recognition("", np.zeros(0, dtype=np.float32), 0.0)
"""The reading of a text that cannot be cropped."""


class Finder(Protocol):
    """A detector, with what runs its network."""

    @property
    def stride(self) -> int:
        """Image heights and widths are padded to a multiple of this, in pixels."""

    def scale(self, height: int, width: int) -> float:
        """Return the factor to resize an image by."""

    def find_texts(self, images: np.ndarray, sizes: list[tuple[int, int]]) -> list[Detections]:
        """Return the detections in images.

        Args:
            images: uint8, (batch, 3, height, width), RGB, padded.
            sizes: Height and width of each image without padding, in pixels.
        """


class Recognizes(Protocol):
    """A recognizer, with what runs its network."""

    @property
    def stride(self) -> int:
        """The width of a batch is padded to a multiple of this."""

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that an image is resized to."""

    def read_texts(self, images: np.ndarray, widths: np.ndarray) -> list[Recognition]:
        """Return the readings of images.

        Args:
            images: uint8, (batch, 3, height, width), RGB, padded on the right.
            widths: int64, (batch,): the columns of each image that are not padding.
        """


def detect(
    model: Finder, image: Image, config: TilesRule | None = None, least: int | None = None
) -> Detections:
    """Return the detections in one page, with polygons in its pixels.

    Args:
        model: A detector in evaluation mode.
        image: uint8, (height, width, 3), RGB.
        config: How long pages are cut into tiles. The model sees one tile at a time.
        least: The least height of texts that the model has learned, in pixels as it sees them.
    """
    height, width = image.shape[:2]
    tiling = plan(model, height, width, config or Tiles())
    if tiling is None:
        scale, found = model.scale(height, width), _detect(model, image)
    else:
        scale = model.scale(*tiling.tile)
        found = merge(tiling, [_detect(model, tile) for tile in tiling.cut(image)], BORDER / scale)
    found.warnings += warn_of_small_texts(found.polygons, scale, least)
    return found


def _detect(model: Finder, image: Image) -> Detections:
    """Return the detections in one image that the model sees as a whole."""
    resized, (fx, fy) = fit(image, model)
    padded = pad([resized], model.stride)
    detections = model.find_texts(padded, [(resized.shape[0], resized.shape[1])])[0]
    detections.polygons = resize_points(detections.polygons, 1 / fx, 1 / fy)
    return detections


def recognize(model: Recognizes, images: Sequence[Image], batch_size: int = BATCH_SIZE) -> list[Recognition]:
    """Recognize images of words or lines.

    Args:
        model: A recognizer in evaluation mode.
        images: uint8, (height, width, 3), RGB; sizes may differ.
        batch_size: The number of images to recognize at once.

    Returns:
        One `Recognition` per image, in the order of the images.
    """
    # Images of similar width share a batch, so that little of it is padding.
    order = sorted(range(len(images)), key=lambda place: model.size(*images[place].shape[:2])[1])
    recognitions = [EMPTY] * len(images)
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        fitted = [texts.fit(images[place], model) for place in places]
        read = model.read_texts(*texts.pad(fitted, model.stride))
        for place, reading in zip(places, read, strict=True):
            recognitions[place] = reading
    return recognitions


@dataclass(frozen=True)
class Pipeline:
    """A detector, a recognizer or both, ready to run."""

    detector: Finder | None
    recognizer: Recognizes | None = None
    margin: float = 0.0
    """The margin to crop around a text, as a share of its height; as in the recognizer's training."""
    tiles: TilesRule = field(default_factory=Tiles)
    """How the detector cuts long pages."""
    least: int | None = None
    """The least height of texts that the detector has learned, in pixels as it sees them."""
    batch_size: int = BATCH_SIZE
    """The number of texts to recognize at once."""

    @property
    def models(self) -> list[Any]:
        """The detector and the recognizer, as far as they are there."""
        return [model for model in (self.detector, self.recognizer) if model is not None]

    def __call__(self, image: Image) -> tuple[Detections, list[Recognition] | None]:
        """Find and read the texts in an image.

        A detection that cannot be cropped has an empty reading, and a warning in the detections.

        Args:
            image: uint8, (height, width, 3), RGB.

        Returns:
            The detections, and one reading per detection, or None without a recognizer. Without a detector,
            the whole image is one text.
        """
        if self.detector is None:
            assert self.recognizer is not None
            return whole(image.shape[:2]), recognize(self.recognizer, [image])
        detections = detect(self.detector, image, self.tiles, self.least)
        return detections, self.read(image, detections) if self.recognizer else None

    def read(self, image: Image, detections: Detections) -> list[Recognition]:
        """Return one reading per detection in an image."""
        assert self.recognizer is not None
        crops = [self._crop(image, polygon, detections.warnings) for polygon in detections.polygons]
        found = [crop for crop in crops if crop is not None]
        read = iter(recognize(self.recognizer, found, self.batch_size))
        return [EMPTY if crop is None else next(read) for crop in crops]

    def _crop(self, image: Image, polygon: Polygon, warnings: list[str]) -> Image | None:
        try:
            return cut(image, polygon, self.margin, ordered=False)
        except ValueError as error:
            left, top = polygon.min(axis=0)
            warnings.append(f"the text at {left:.0f}, {top:.0f} cannot be read: {error}")
            return None


def whole(size: tuple[int, int]) -> Detections:
    """Return the outline of a whole image as its one detection.

    Args:
        size: Height and width of the image in pixels.
    """
    height, width = size
    return Detections([corners(width, height).astype(np.float32)], np.ones(1, dtype=np.float32))


def only_margin(margins: Sequence[float]) -> float:
    """Return the margin that a recognizer was trained with, as a share of the text height; 0 for none.

    Args:
        margins: Those of its training data, each once.

    Raises:
        ConfigError: There are several.
    """
    if len(margins) > 1:
        listed = " and ".join(f"{margin:g}" for margin in margins)
        raise ConfigError(f"the recognizer was trained with margins of {listed}: choose one with margin=")
    return margins[0] if margins else 0.0

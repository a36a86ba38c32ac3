"""From an image to its texts: a detector followed by a recognizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.geometry import corners, resize_points
from ocr_trainer.data.types import Detections, Image, Polygon, Recognition
from ocr_trainer.errors import ConfigError
from ocr_trainer.evaluation.rebuild import rebuild
from ocr_trainer.formats.rectify import cut
from ocr_trainer.tasks.detection import Detector
from ocr_trainer.tasks.detection.config import TilesConfig
from ocr_trainer.tasks.detection.data import fit, pad
from ocr_trainer.tasks.detection.heights import least_learned, warn_of_small_texts
from ocr_trainer.tasks.detection.tiles import BORDER, merge, plan
from ocr_trainer.tasks.recognition.data import prepare
from ocr_trainer.tasks.recognition.recognizer import Recognizer

BATCH_SIZE = 64
"""The number of texts to recognize at once."""
EMPTY = Recognition("", np.zeros(0, dtype=np.float32), 0.0)
"""The reading of a text that cannot be cropped."""

Saved = tuple[RunConfig, dict[str, Any]]
"""A run and the content of its checkpoint."""


def detect(
    model: Detector, image: Image, config: TilesConfig | None = None, least: int | None = None
) -> Detections:
    """Return the detections in one page, with polygons in its pixels.

    Args:
        model: A detector in evaluation mode.
        image: uint8, (height, width, 3), RGB.
        config: How long pages are cut into tiles. The model sees one tile at a time.
        least: The least height of texts that the model has learned, in pixels as it sees them.
    """
    height, width = image.shape[:2]
    tiling = plan(model, height, width, config or TilesConfig())
    if tiling is None:
        scale, found = model.scale(height, width), _detect(model, image)
    else:
        scale = model.scale(*tiling.tile)
        found = merge(tiling, [_detect(model, tile) for tile in tiling.cut(image)], BORDER / scale)
    found.warnings += warn_of_small_texts(found.polygons, scale, least)
    return found


@torch.inference_mode()
def _detect(model: Detector, image: Image) -> Detections:
    """Return the detections in one image that the model sees as a whole."""
    resized, (fx, fy) = fit(image, model)
    outputs = model(pad([resized], model.stride).to(_device(model)))
    detections = model.decode(outputs, [(resized.shape[0], resized.shape[1])])[0]
    detections.polygons = resize_points(detections.polygons, 1 / fx, 1 / fy)
    return detections


@torch.inference_mode()
def recognize(model: Recognizer, images: Sequence[Image], batch_size: int = BATCH_SIZE) -> list[Recognition]:
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
        inputs: Sequence[Tensor] = prepare([images[place] for place in places], model)
        outputs = model(*(tensor.to(_device(model)) for tensor in inputs))
        for place, reading in zip(places, model.decode(outputs), strict=True):
            recognitions[place] = reading
    return recognitions


def _device(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device


@dataclass(frozen=True)
class Pipeline:
    """A detector, a recognizer or both, in evaluation mode."""

    detector: Detector | None
    recognizer: Recognizer | None = None
    margin: float = 0.0
    """The margin to crop around a text, as a share of its height; as in the recognizer's training."""
    tiles: TilesConfig = field(default_factory=TilesConfig)
    """How the detector cuts long pages."""
    least: int | None = None
    """The least height of texts that the detector has learned, in pixels as it sees them."""

    @property
    def models(self) -> list[torch.nn.Module]:
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
        read = iter(recognize(self.recognizer, [crop for crop in crops if crop is not None]))
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


def open_pipeline(
    detector: Saved | None,
    recognizer: Saved | None,
    margin: float | None,
    folder: Path,
    device: str | None = None,
) -> Pipeline:
    """Rebuild the models of checkpoints.

    Args:
        detector: The detector, or None.
        recognizer: The recognizer, or None.
        margin: The margin to crop around a text, as a share of its height; None for the margin that the
            recognizer was trained with.
        folder: Where results go.
        device: Where to run the models; None for the GPU if there is one.

    Raises:
        OcrTrainerError: A checkpoint or the device cannot be used, or the recognizer was trained with
            several margins.
    """
    try:
        on = default_device() if device is None else torch.zeros((), device=device).device
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ConfigError(f"device={device!r} cannot be used: {str(error).splitlines()[0]}") from error
    finds, reads = (
        None if saved is None else rebuild(*saved, folder).to(on) for saved in (detector, recognizer)
    )
    if detector is not None and recognizer is not None and margin is None:
        margin = trained_margin(recognizer[1]["ocr_trainer"]["config"])
    tiles = getattr(detector[0], "tiles", None) if detector is not None else None
    least = least_learned(detector[1]["ocr_trainer"]) if detector is not None else None
    return Pipeline(finds, reads, margin or 0.0, tiles or TilesConfig(), least)


def default_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def trained_margin(config: Mapping[str, Any]) -> float:
    """Return the margin of the crops that a saved configuration trained on, as a share of the text height.

    It is 0 for a recognizer that was not trained on crops of pages.

    Raises:
        ConfigError: The datasets have different margins.
    """
    margins = sorted(set(_margins(config.get("dataset", {}))))
    if len(margins) > 1:
        listed = " and ".join(f"{margin:g}" for margin in margins)
        raise ConfigError(f"the recognizer was trained with margins of {listed}: choose one with margin=")
    return margins[0] if margins else 0.0


def _margins(options: Mapping[str, Any]) -> Iterator[float]:
    """Yield the margin of each `crops` dataset in the options of a dataset, which may be nested."""
    if options.get("name") == "crops":
        yield float(options["margin"])
    for value in options.values():
        if isinstance(value, Mapping):
            yield from _margins(value)

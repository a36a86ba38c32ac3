"""From an image to its texts: a detector, and a recognizer behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.geometry import resize_points
from ocr_trainer.data.types import Detections, Image, Polygon, Recognition
from ocr_trainer.errors import ConfigError
from ocr_trainer.evaluation.test import rebuild
from ocr_trainer.formats.rectify import cut
from ocr_trainer.tasks.detection import Detector
from ocr_trainer.tasks.detection.data import fit, pad
from ocr_trainer.tasks.recognition.data import prepare
from ocr_trainer.tasks.recognition.recognizer import Recognizer

BATCH_SIZE = 64
"""Texts that are read at once."""
NOTHING = Recognition("", np.zeros(0, dtype=np.float32), 0.0)
"""What is read where there is nothing to be seen."""

Saved = tuple[RunConfig, dict[str, Any]]
"""A run and what the checkpoint of it holds."""


@torch.inference_mode()
def detect(model: Detector, image: Image) -> Detections:
    """Find text in one image; polygons are in its pixels."""
    resized, (fx, fy) = fit(image, model)
    outputs = model(pad([resized], model.stride).to(_device(model)))
    found = model.decode(outputs, [(resized.shape[0], resized.shape[1])])[0]
    found.polygons = resize_points(found.polygons, 1 / fx, 1 / fy)
    return found


@torch.inference_mode()
def recognize(model: Recognizer, images: Sequence[Image], batch_size: int = BATCH_SIZE) -> list[Recognition]:
    """Read the images of words or lines, those of like width together; return one reading for each."""
    order = sorted(range(len(images)), key=lambda place: model.size(*images[place].shape[:2])[1])
    recognitions = [NOTHING] * len(images)
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
class Reader:
    """A detector and, where texts are to be read, a recognizer; both in evaluation mode."""

    detector: Detector
    recognizer: Recognizer | None = None
    margin: float = 0.0
    """What is cut out around a text, as a share of its height: what the recognizer was trained with."""

    def __call__(self, image: Image) -> tuple[Detections, list[Recognition] | None]:
        """Find the texts in an image and read them; without a recognizer there are no readings.

        What was found but cannot be cut out reads as nothing, with a warning.
        """
        found = detect(self.detector, image)
        return found, self.read(image, found) if self.recognizer else None

    def read(self, image: Image, found: Detections) -> list[Recognition]:
        """Read what was found in an image: one reading per polygon."""
        assert self.recognizer is not None
        crops = [self._cut(image, polygon, found.warnings) for polygon in found.polygons]
        read = iter(recognize(self.recognizer, [crop for crop in crops if crop is not None]))
        return [NOTHING if crop is None else next(read) for crop in crops]

    def _cut(self, image: Image, polygon: Polygon, warnings: list[str]) -> Image | None:
        try:
            return cut(image, polygon, self.margin, ordered=False)
        except ValueError as error:
            left, top = polygon.min(axis=0)
            warnings.append(f"the text at {left:.0f}, {top:.0f} cannot be read: {error}")
            return None


def open_reader(
    detector: Saved,
    recognizer: Saved | None,
    margin: float | None,
    folder: Path,
    device: str | None = None,
) -> Reader:
    """Rebuild the models of checkpoints.

    Args:
        detector: What finds texts.
        recognizer: What reads them, if anything does.
        margin: What is cut out around a text, as a share of its height; None for what it was trained with.
        folder: Where results go.
        device: Where they work; None for the GPU if there is one.

    Raises:
        OcrTrainerError: A checkpoint cannot be used, or does not tell the margin.
    """
    place = usual_device() if device is None else torch.device(device)
    finds = rebuild(*detector, folder).to(place)
    if recognizer is None:
        return Reader(finds)
    share = trained_margin(recognizer[1]["ocr_trainer"]["config"]) if margin is None else margin
    return Reader(finds, rebuild(*recognizer, folder).to(place), share)


def usual_device() -> torch.device:
    """Return the GPU if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def trained_margin(config: Mapping[str, Any]) -> float:
    """Return the margin of the crops that a saved configuration trained on; 0 where it had none.

    Raises:
        ConfigError: It had several.
    """
    margins = sorted(set(_margins(config["dataset"])))
    if len(margins) > 1:
        listed = " and ".join(f"{margin:g}" for margin in margins)
        raise ConfigError(f"the recognizer was trained with margins of {listed}: choose one with --margin")
    return margins[0] if margins else 0.0


def _margins(options: Mapping[str, Any]) -> Iterator[float]:
    """Yield the margin of each dataset of crops among the options of a dataset."""
    if options.get("name") == "crops":
        yield float(options["margin"])
    for value in options.values():
        if isinstance(value, Mapping):
            yield from _margins(value)

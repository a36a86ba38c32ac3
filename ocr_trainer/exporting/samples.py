"""The samples of the gate: at three sizes, in batches, with the ground truth that the scores need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.data.split import Unusable
from ocr_trainer.data.types import GroundTruth, Image, Sample, TextGroundTruth, TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.exporting.exporter import Engine, Subject
from ocr_trainer.tasks.detection import data as pages
from ocr_trainer.tasks.recognition import data as texts
from ocr_trainer.text import normalize
from ocr_trainer_runtime.geometry import resize

SIZES = (0.75, 1.0, 1.25)
"""Factors of the size that the model sees: of a page's sides, or of a text's width."""


@dataclass(frozen=True)
class Item:
    """An image as the model sees it, and its ground truth."""

    image: Image
    truth: Any
    """`GroundTruth` or `TextGroundTruth`."""


@dataclass(frozen=True)
class Inputs:
    """A batch: uint8 images, (batch, 3, height, width), and widths, int64, (batch,), for a recognizer."""

    images: Tensor
    widths: Tensor | None

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        """The arguments of the network."""
        return (self.images,) if self.widths is None else (self.images, self.widths)


def choose(split: Any, limit: int) -> list[Any]:
    """Return at most `limit` samples, evenly spaced over a split; skip those that cannot be read."""
    found = []
    for index in np.linspace(0, len(split) - 1, min(limit, len(split))).round().astype(int).tolist():
        try:
            found.append(split[index])
        except (DataError, Unusable):
            continue
    return found


def items(subject: Subject, samples: Sequence[Any], factor: float, engine: Engine) -> list[Item]:
    """Return samples resized by one factor."""
    make = _text if subject.reads else _page
    return [make(subject, sample, factor, engine) for sample in samples]


def _page(subject: Subject, sample: Sample, factor: float, engine: Engine) -> Item:
    height, width = sample.image.shape[:2]
    scale = factor * subject.model.scale(height, width)
    if engine.size is not None:
        scale = min(scale, engine.size[0] / height, engine.size[1] / width)
    image = resize(sample.image, max(1, round(height * scale)), max(1, round(width * scale)))
    factors = image.shape[1] / width, image.shape[0] / height
    labels = (sample.polygons, sample.texts, sample.ignore, sample.source)
    return Item(image, GroundTruth(*labels, (image.shape[0], image.shape[1]), factors))


def _text(subject: Subject, sample: TextImage, factor: float, engine: Engine) -> Item:
    height, width = sample.image.shape[:2]
    image = resize(sample.image, height, max(1, round(width * factor)))
    rows, columns = subject.model.size(*image.shape[:2])
    if engine.size is not None:
        columns = min(columns, engine.size[1])
    return Item(resize(image, rows, columns), TextGroundTruth(normalize.clean(sample.text), sample.source))


def batches(found: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in batches of similar width, so that they need little padding."""
    order = sorted(found, key=lambda item: item.image.shape[1])
    yield from (list(order[start : start + size]) for start in range(0, len(order), size))


def stack(subject: Subject, batch: Sequence[Item], engine: Engine) -> Inputs:
    """Return a batch as the network takes it, padded as the model's own batches are."""
    images = [item.image for item in batch]
    if subject.reads:
        stacked, widths = texts.pad(images, subject.model.stride)
    else:
        stacked, widths = pages.pad(images, subject.model.stride), None
    if engine.size is not None:
        canvas = stacked.new_zeros(*stacked.shape[:2], *engine.size)
        canvas[:, :, : stacked.shape[2], : stacked.shape[3]] = stacked
        stacked = canvas
    return Inputs(stacked, widths)


def fingerprint(samples: Sequence[Any]) -> str:
    """Return the SHA-256 of the pixels and labels of samples, in order."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(np.ascontiguousarray(sample.image).tobytes())
        digest.update(str(getattr(sample, "text", getattr(sample, "texts", ""))).encode())
        for polygon in getattr(sample, "polygons", ()):
            digest.update(np.asarray(polygon, dtype=np.float32).tobytes())
    return digest.hexdigest()


def to_tensors(outputs: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Return arrays as the model's `decode` takes them."""
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in outputs.items()}

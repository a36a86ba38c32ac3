"""What travels from a dataset to a model and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_trainer.plugin import SkippedItem

if TYPE_CHECKING:
    from torch import Tensor, device

Image = np.ndarray
"""uint8, (height, width, 3), RGB."""
Polygon = np.ndarray
"""float32, (points, 2): x to the right and y down, in pixels; at least 3 points, not closed."""


@dataclass(slots=True)
class Sample:
    """One image and what is written on it, as a dataset gives it."""

    image: Image
    polygons: list[Polygon]
    texts: list[str]
    """One per polygon; empty where it is not known."""
    ignore: np.ndarray
    """bool, (polygons,): text that is neither learned nor scored ("don't care")."""
    source: str
    """Where it came from, in words that lead the user there: a path, as a rule."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """What of it turned out to be unusable only now that the image was read."""

    def __post_init__(self) -> None:
        self.ignore = np.asarray(self.ignore, dtype=bool)
        if not len(self.polygons) == len(self.texts) == len(self.ignore):
            counts = f"{len(self.polygons)} polygons, {len(self.texts)} texts, {len(self.ignore)} flags"
            raise ValueError(f"{self.source}: {counts}; there must be as many of each")


@dataclass(slots=True)
class TextImage:
    """The image of one text, a word or a line, and what is written on it."""

    image: Image
    text: str
    """As it is labeled, in logical order; the core brings it to normal form C. Never empty."""
    source: str
    """Where it came from, in words that lead the user there: a path, as a rule."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """What of it turned out to be unusable only now that the image was read."""


@dataclass(slots=True)
class GroundTruth:
    """What scoring needs of a sample: its labels in pixels of the original image."""

    polygons: list[Polygon]
    texts: list[str]
    ignore: np.ndarray
    source: str
    size: tuple[int, int]
    """Height and width of the image as the model sees it, without padding."""
    scale: tuple[float, float]
    """What x and y of the original are multiplied by to give the model's pixels."""


@dataclass(slots=True)
class TextGroundTruth:
    """What scoring needs of a `TextImage`."""

    text: str
    """In normal form C."""
    source: str


@dataclass(slots=True)
class Batch:
    """What a model is trained on or scored with."""

    images: Tensor
    """uint8, (batch, 3, height, width), RGB; zeros to the right and below where sizes differ."""
    targets: dict[str, Tensor]
    """What is to be learned, stacked along the first axis; empty when scoring."""
    texts: int = 0
    """How many texts the images of a training batch show that are not "don't care"."""
    ground_truths: list[Any] = field(default_factory=list)
    """One `GroundTruth` or `TextGroundTruth` per image when scoring; empty in training."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """What could not be read on the way."""
    widths: Tensor | None = None
    """For recognition: int64, (batch,), how many columns of each image are no padding."""
    sources: list[str] = field(default_factory=list)
    """Where each image of a training batch came from: its sample's `source`."""

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def to(self, target: device | str, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on another device."""
        return self._each(lambda tensor: tensor.to(target, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, move: Callable[[Tensor], Tensor]) -> Batch:
        targets = {key: move(value) for key, value in self.targets.items()}
        widths = None if self.widths is None else move(self.widths)
        return replace(self, images=move(self.images), targets=targets, widths=widths)


@dataclass(slots=True)
class Detections:
    """What a detector found in one image."""

    polygons: list[Polygon]
    scores: np.ndarray
    """float32, (polygons,), 0 to 1."""
    warnings: list[str] = field(default_factory=list)
    """What the user should know, such as a limit that was reached."""


@dataclass(slots=True)
class Recognition:
    """What a recognizer read in one image."""

    text: str
    """In logical order, of characters of the charset."""
    scores: np.ndarray
    """float32, (characters,), 0 to 1: one per character of `text`."""
    score: float
    """Of the text as a whole, 0 to 1."""

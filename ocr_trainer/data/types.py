"""Data types that datasets, tasks and models exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_trainer.plugin import SkippedItem
from ocr_trainer_runtime.types import Detections as Detections
from ocr_trainer_runtime.types import Image as Image
from ocr_trainer_runtime.types import Polygon as Polygon
from ocr_trainer_runtime.types import Recognition as Recognition

if TYPE_CHECKING:
    from torch import Tensor, device


@dataclass(slots=True)
class Sample:
    """One image and its text regions, as a detection dataset returns it."""

    image: Image
    polygons: list[Polygon]
    texts: list[str]
    """One text per polygon; empty if unknown."""
    ignore: np.ndarray
    """bool of shape (polygons,): regions that are neither trained on nor scored ("don't care")."""
    source: str
    """Where the sample comes from, usually a path; shown to the user."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """Labels that turned out to be unusable only when the image was read."""

    def __post_init__(self) -> None:
        self.ignore = np.asarray(self.ignore, dtype=bool)
        if not len(self.polygons) == len(self.texts) == len(self.ignore):
            counts = f"{len(self.polygons)} polygons, {len(self.texts)} texts, {len(self.ignore)} flags"
            raise ValueError(f"{self.source}: {counts}; the numbers must be equal")


@dataclass(slots=True)
class TextImage:
    """The image of one word or line, and its text."""

    image: Image
    text: str
    """As labeled, in logical order; the core converts it to Unicode NFC. Never empty."""
    source: str
    """Where the sample comes from, usually a path; shown to the user."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """Labels that turned out to be unusable only when the image was read."""


@dataclass(slots=True)
class GroundTruth:
    """The labels of a sample for scoring, in pixels of the original image."""

    polygons: list[Polygon]
    texts: list[str]
    ignore: np.ndarray
    source: str
    size: tuple[int, int]
    """Height and width of the image as the model sees it, without padding."""
    scale: tuple[float, float]
    """Factors for x and y from the original image to the model's image."""
    tiling: Any = None
    """How a long page is cut, an `ocr_trainer_runtime.detection.tiles.Tiling`; None for a whole page."""

    @property
    def tiles(self) -> int:
        """The number of images that the model sees of this page."""
        return 1 if self.tiling is None else len(self.tiling.starts)

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of each of these images, without padding."""
        if self.tiling is None:
            return self.size
        (height, width), (fx, fy) = self.tiling.tile, self.scale
        return round(height * fy), round(width * fx)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a score counts."""

    images: int = 0
    texts: int = 0
    """Without "don't care" regions."""
    dont_care: int = 0

    def __add__(self, other: Scored) -> Scored:
        return Scored(self.images + other.images, self.texts + other.texts, self.dont_care + other.dont_care)

    @classmethod
    def of(cls, truth: Any) -> Scored:
        """Return the counts of one image, whose ground truth is that of a page or of one text."""
        ignore = getattr(truth, "ignore", None)
        if ignore is None:
            return cls(1, 1)
        dont_care = int(np.count_nonzero(ignore))
        return cls(1, len(ignore) - dont_care, dont_care)


@dataclass(slots=True)
class TextGroundTruth:
    """The label of a `TextImage` for scoring."""

    text: str
    """In Unicode NFC."""
    source: str


@dataclass(slots=True)
class Batch:
    """Input to a training or evaluation step."""

    images: Tensor
    """uint8 of shape (batch, 3, height, width), RGB; padded with zeros on the right and at the bottom."""
    targets: dict[str, Tensor]
    """Training targets, stacked along the first axis; empty for evaluation."""
    texts: int = 0
    """Number of texts in a training batch, without "don't care" regions."""
    ground_truths: list[Any] = field(default_factory=list)
    """One `GroundTruth` or `TextGroundTruth` per image for evaluation; empty in training."""
    skipped: list[SkippedItem] = field(default_factory=list)
    """Items that could not be used while the batch was assembled."""
    widths: Tensor | None = None
    """Recognition only: int64 of shape (batch,), columns of each image that are not padding."""
    sources: list[str] = field(default_factory=list)
    """The `source` of each sample of a training batch."""
    heights: np.ndarray | None = None
    """Detection only: how many texts of a training batch have each height in pixels."""

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def to(self, target: device | str, non_blocking: bool = False) -> Batch:
        """Return a copy with all tensors on another device."""
        return self._map_tensors(lambda tensor: tensor.to(target, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return a copy with all tensors in page-locked memory."""
        return self._map_tensors(lambda tensor: tensor.pin_memory())

    def _map_tensors(self, move: Callable[[Tensor], Tensor]) -> Batch:
        targets = {key: move(value) for key, value in self.targets.items()}
        widths = None if self.widths is None else move(self.widths)
        return replace(self, images=move(self.images), targets=targets, widths=widths)


class LossParts(dict[str, "Tensor"]):
    """The parts of a loss with figures to log beside them, such as an accuracy; the figures are not summed.

    Args:
        parts: The weighted parts of the loss, scalar tensors, by name.
        figures: Scalars by name. The names differ from those of the parts, from `loss` and from `lr`.
    """

    def __init__(self, parts: Mapping[str, Tensor], figures: Mapping[str, Tensor | float]) -> None:
        super().__init__(parts)
        self.figures = dict(figures)

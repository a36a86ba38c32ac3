"""Light. The values of options that the trainer and the runtime share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, NamedTuple, Protocol


class Limits(NamedTuple):
    """The limits of a number in the metadata, which `metadata.Metadata.read` checks."""

    least: float
    most: float


class ExifOrientation(Enum):
    """The frame of labels: the image as viewers show it, or its stored pixels."""

    auto = "auto"
    applied = "applied"
    ignored = "ignored"


class Side(Enum):
    """How the size of an image is chosen for validation, test and prediction."""

    short = "short"
    long = "long"
    width = "width"
    none = "none"
    at_least = "at_least"


class Shape(Enum):
    """The shape of detected text regions."""

    quad = "quad"
    polygon = "polygon"


class Unclip(Enum):
    """The rule for the distance that a decoded region grows by."""

    ratio = "ratio"
    exact = "exact"


class FilePer(Enum):
    """What a result file belongs to."""

    image = "image"
    """Each image, and each page of a document, has a file of its own."""
    document = "document"
    """The pages of a PDF or of a TIFF have one file together, and each image has its own."""
    run = "run"
    """All images of a command have one file together."""


class TilesRule(Protocol):
    """How long pages are cut into overlapping tiles."""

    @property
    def enabled(self) -> bool:
        """Whether they are, if the model would otherwise see them shrunk to less than their tiles."""

    @property
    def aspect(self) -> float:
        """Length of a tile as a multiple of the page's short side."""

    @property
    def overlap(self) -> float:
        """Fraction of a tile's length by which neighboring tiles overlap, at least."""


@dataclass(frozen=True)
class Tiles:
    """The usual `TilesRule`."""

    enabled: bool = True
    aspect: Annotated[float, Limits(1, 20)] = 3.0
    overlap: Annotated[float, Limits(0.05, 0.5)] = 0.25

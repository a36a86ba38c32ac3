"""What ocr-trainer is told about DBNet before any of it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Self

from ocr_trainer.plugin import Config, ModelPlugin, Task, option

WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors")


class Backbone(Enum):
    """The network that extracts the features."""

    resnet18 = "resnet18"
    resnet34 = "resnet34"
    resnet50 = "resnet50"


class Side(Enum):
    """What of an image is brought to `size` when scoring."""

    short = "short"
    long = "long"
    width = "width"
    none = "none"


class Shape(Enum):
    """What a text region is described by."""

    quad = "quad"
    polygon = "polygon"


class Unclip(Enum):
    """How the distance is found by which a decoded region is grown."""

    ratio = "ratio"
    exact = "exact"


@dataclass
class DBNetConfig(Config):
    """The options of DBNet; the defaults are its authors'."""

    backbone: Backbone = Backbone.resnet18
    """The network that extracts the features."""
    weights: Path | None = None
    """A local file (.pth, .pt, .safetensors) the backbone starts from, with torchvision's or timm's names."""
    neck_channels: int = option(256, at_least=4)
    """Channels of the feature pyramid; a multiple of 4."""

    shrink_ratio: float = option(0.4, above=0, below=1)
    """How much of a polygon its kernel keeps, the `r` in the paper's offset A (1 - r²) / L."""
    thresh_min: float = option(0.3, at_least=0, at_most=1)
    """The threshold to learn away from text."""
    thresh_max: float = option(0.7, at_least=0, at_most=1)
    """The threshold to learn on the border of text."""
    min_text_size: float = option(8, at_least=0)
    """Text whose upright box is less high or wide than this, in pixels, is not learnt."""
    k: float = option(50, above=0)
    """How steep the differentiable step is."""

    probability_weight: float = option(5, at_least=0)
    """The weight of the probability map's cross entropy in the loss."""
    binary_weight: float = option(1, at_least=0)
    """The weight of the binary map's dice loss."""
    threshold_weight: float = option(10, at_least=0)
    """The weight of the threshold map's L1 distance."""
    negative_ratio: float = option(3, above=0)
    """How many hard background pixels are learnt per text pixel."""

    size: int = option(736, at_least=32)
    """Pixels the `side` of an image is resized to when scoring."""
    side: Side = Side.short
    """What is resized to `size`: the short side, the long one, the width, or none of them."""
    max_side: int = option(2560, at_least=32)
    """No image is made longer than this when scoring, whatever `side` and `size` ask for."""

    shape: Shape = Shape.quad
    """Describe text by rotated rectangles or by polygons."""
    binarize_threshold: float = option(0.3, at_least=0, below=1)
    """Pixels more probable than this are text."""
    box_threshold: float = option(0.6, at_least=0, at_most=1)
    """Regions whose mean probability is below this are dropped."""
    max_candidates: int = option(1000, at_least=1)
    """At most so many regions of an image are looked at, the largest; a warning says when there are more."""
    min_side: float = option(3, at_least=0)
    """Regions narrower than this, in pixels, are dropped."""
    unclip: Unclip = Unclip.ratio
    """Grow regions as the authors do (`ratio`), or by what undoes the shrinking (`exact`, for long text)."""
    unclip_ratio: float | None = option(None, above=0)
    """The factor of `unclip=ratio`; the authors' if not given: 1.5 for quads, 2.0 for polygons."""

    def lasting(self) -> Self:
        """Return the options without the backbone's first weights: a checkpoint holds its own."""
        return replace(self, weights=None)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.neck_channels % 4:
            yield f"neck_channels={self.neck_channels} must be a multiple of 4"
        if self.thresh_min >= self.thresh_max:
            yield f"thresh_min={self.thresh_min:g} must be below thresh_max={self.thresh_max:g}"
        if self.max_side < self.size and self.side is not Side.none:
            yield f"max_side={self.max_side} must not be below size={self.size}"
        if self.unclip is Unclip.exact and self.unclip_ratio is not None:
            yield f"unclip_ratio={self.unclip_ratio:g} says nothing with unclip=exact; leave one of them out"
        if self.weights is not None:
            yield from self._weights_faults(self.weights)

    def _weights_faults(self, path: Path) -> Iterator[str]:
        if path.suffix not in WEIGHT_SUFFIXES:
            yield f"weights={path} must end in one of: {', '.join(WEIGHT_SUFFIXES)}"
        elif not path.is_file():
            yield f"weights={path}: there is no such file"


dbnet = ModelPlugin(
    api=1,
    summary="DBNet: segmentation with a learnt threshold (Liao et al., AAAI 2020)",
    config=DBNetConfig,
    task=Task.detection,
    factory="ocr_trainer_dbnet.model:DBNet",
)

"""What ocr-trainer is told about DBNet and DBNet++ before any of them is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Self

from ocr_trainer.plugin import Config, ModelPlugin, Options, Task, option

RESNETS = ("resnet18", "resnet34", "resnet50")
TIMM = "timm/"
"""What the names of timm's feature extractors start with here."""
WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors")
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


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


def is_file(weights: str) -> bool:
    """Tell whether weights lie in a local file rather than on the hub: by the suffix, or as it is there."""
    path = Path(weights)
    return path.suffix in WEIGHT_SUFFIXES or path.is_file()


@dataclass
class BackboneConfig(Options):
    """The network that extracts the features."""

    name: str = "resnet18"
    """resnet18, resnet34, resnet50, or `timm/NAME`: a feature extractor of timm, which must be installed."""
    weights: str | None = None
    """A file (.pth, .pt, .safetensors) or a Hugging Face repository to start from; random weights if none."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.name not in RESNETS and not re.fullmatch(f"{TIMM}.+", self.name):
            nearest = get_close_matches(self.name, RESNETS, n=1)
            hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
            yield (
                f"there is no backbone '{self.name}'.{hint} There are {', '.join(RESNETS)} and {TIMM}NAME"
                f" for a feature extractor of timm, such as {TIMM}convnext_tiny"
            )
        if self.weights is not None:
            yield from self._weights_faults(self.weights)

    def _weights_faults(self, weights: str) -> Iterator[str]:
        if is_file(weights):
            if not Path(weights).is_file():
                yield f"weights={weights}: there is no such file"
        elif not HUB_NAME.fullmatch(weights):
            yield (
                f"weights={weights} is neither a file ({', '.join(WEIGHT_SUFFIXES)}) nor the name of a"
                " repository on the Hugging Face hub, such as timm/resnet18.tv_in1k"
            )


@dataclass
class DBNetConfig(Config):
    """The options of DBNet and DBNet++; the defaults are the authors'."""

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """The network that extracts the features, and what it starts from."""
    neck_channels: int = option(256, at_least=4)
    """Channels of the feature pyramid; a multiple of 4."""

    shrink_ratio: float = option(0.4, above=0, below=1)
    """How much of a polygon its kernel keeps, the `r` in the paper's offset A (1 - r²) / L."""
    thresh_min: float = option(0.3, at_least=0, at_most=1)
    """The threshold to learn away from text."""
    thresh_max: float = option(0.7, at_least=0, at_most=1)
    """The threshold to learn on the border of text."""
    min_text_size: float = option(8, at_least=0)
    """Text whose upright box is less high or wide than this, in pixels, is not learned."""
    k: float = option(50, above=0)
    """How steep the differentiable step is."""

    probability_weight: float = option(5, at_least=0)
    """The weight of the probability map's cross entropy in the loss."""
    binary_weight: float = option(1, at_least=0)
    """The weight of the binary map's dice loss."""
    threshold_weight: float = option(10, at_least=0)
    """The weight of the threshold map's L1 distance."""
    negative_ratio: float = option(3, above=0)
    """How many hard background pixels are learned per text pixel."""

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

    def without_init_weights(self) -> Self:
        """Return the options without the backbone's first weights: a checkpoint holds its own."""
        return replace(self, backbone=replace(self.backbone, weights=None))

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.neck_channels % 4:
            yield f"neck_channels={self.neck_channels} must be a multiple of 4"
        if self.thresh_min >= self.thresh_max:
            yield f"thresh_min={self.thresh_min:g} must be below thresh_max={self.thresh_max:g}"
        if self.max_side < self.size and self.side is not Side.none:
            yield f"max_side={self.max_side} must not be below size={self.size}"
        if self.unclip is Unclip.exact and self.unclip_ratio is not None:
            yield f"unclip_ratio={self.unclip_ratio:g} says nothing with unclip=exact; leave one of them out"


dbnet = ModelPlugin(
    api=1,
    summary="DBNet: segmentation with a learned threshold (Liao et al., AAAI 2020)",
    config=DBNetConfig,
    task=Task.detection,
    factory="ocr_trainer_dbnet.model:DBNet",
)

dbnetpp = ModelPlugin(
    api=1,
    summary="DBNet++: DBNet with adaptive scale fusion (Liao et al., TPAMI 2022)",
    config=DBNetConfig,
    task=Task.detection,
    factory="ocr_trainer_dbnet.model:DBNetPP",
)

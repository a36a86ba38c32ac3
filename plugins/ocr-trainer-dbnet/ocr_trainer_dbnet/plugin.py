"""Descriptions of DBNet and DBNet++; importing them loads neither the networks nor torch."""

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
"""Prefix of `backbone.name` for timm's feature extractors."""
WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors")
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""The name of a repository on the Hugging Face hub: OWNER/NAME."""


class Side(Enum):
    """The side of an image that is resized to `size` for validation, test and prediction."""

    short = "short"
    long = "long"
    width = "width"
    none = "none"


class Shape(Enum):
    """The shape of detected text regions."""

    quad = "quad"
    polygon = "polygon"


class Unclip(Enum):
    """The rule for the distance that a decoded region grows by."""

    ratio = "ratio"
    exact = "exact"


def is_file(weights: str) -> bool:
    """Return whether weights are a local file rather than a repository: by the suffix, or if it exists."""
    path = Path(weights)
    return path.suffix in WEIGHT_SUFFIXES or path.is_file()


@dataclass
class BackboneConfig(Options):
    """The network that extracts the features."""

    name: str = "resnet18"
    """resnet18, resnet34, resnet50, or `timm/NAME` for a feature extractor of timm, if installed."""
    weights: str | None = None
    """Initial weights: a file (.pth, .pt, .safetensors) or a Hugging Face repository; random if not given."""

    def validate(self) -> Iterator[str]:
        """Yield one message per option or combination of options that is not allowed."""
        if self.name not in RESNETS and not re.fullmatch(f"{TIMM}.+", self.name):
            nearest = get_close_matches(self.name, RESNETS, n=1)
            hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
            yield (
                f"there is no backbone '{self.name}'.{hint} Available: {', '.join(RESNETS)}, and {TIMM}NAME"
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
    """The network that extracts the features, and its initial weights."""
    neck_channels: int = option(256, at_least=4)
    """Channels of the feature pyramid; a multiple of 4."""

    shrink_ratio: float = option(0.4, above=0, below=1)
    """The shrink ratio `r` of text kernels, in the paper's offset A (1 - r²) / L."""
    thresh_min: float = option(0.3, at_least=0, at_most=1)
    """Target of the threshold map far from text borders."""
    thresh_max: float = option(0.7, at_least=0, at_most=1)
    """Target of the threshold map on text borders."""
    min_text_size: float = option(8, at_least=0)
    """Text whose bounding box is lower or narrower than this, in pixels, is masked out of the loss."""
    k: float = option(50, above=0)
    """Steepness of the differentiable binarization."""

    probability_weight: float = option(5, at_least=0)
    """Loss weight of the probability map's cross entropy."""
    binary_weight: float = option(1, at_least=0)
    """Loss weight of the binary map's dice loss."""
    threshold_weight: float = option(10, at_least=0)
    """Loss weight of the threshold map's L1 distance."""
    negative_ratio: float = option(3, above=0)
    """Hard background pixels per text pixel in the loss."""

    size: int = option(736, at_least=32)
    """Length that `side` is resized to for validation, test and prediction, in pixels."""
    side: Side = Side.short
    """The side that is resized to `size`: short, long, width, or none to keep images as they are."""
    max_side: int = option(2560, at_least=32)
    """Longest side after resizing, in pixels; it overrides `side` and `size`."""

    shape: Shape = Shape.quad
    """Shape of the detected regions: rotated rectangles (quad) or polygons."""
    binarize_threshold: float = option(0.3, at_least=0, below=1)
    """Pixels with a higher probability are text."""
    box_threshold: float = option(0.6, at_least=0, at_most=1)
    """Regions with a lower mean probability are dropped."""
    max_candidates: int = option(1000, at_least=1)
    """Regions decoded per image; if there are more, the largest are decoded and a warning is logged."""
    min_side: float = option(3, at_least=0)
    """Regions narrower than this, in pixels, are dropped."""
    unclip: Unclip = Unclip.ratio
    """How regions grow: as in the authors' code (ratio), or by inverting the shrinking (exact; long text)."""
    unclip_ratio: float | None = option(None, above=0)
    """The ratio of `unclip=ratio`; if not given, the authors': 1.5 for quads, 2.0 for polygons."""

    def without_init_weights(self) -> Self:
        """Return the options without the backbone's initial weights, for loading a checkpoint."""
        return replace(self, backbone=replace(self.backbone, weights=None))

    def validate(self) -> Iterator[str]:
        """Yield one message per combination of options that is not allowed."""
        if self.neck_channels % 4:
            yield f"neck_channels={self.neck_channels} must be a multiple of 4"
        if self.thresh_min >= self.thresh_max:
            yield f"thresh_min={self.thresh_min:g} must be below thresh_max={self.thresh_max:g}"
        if self.max_side < self.size and self.side is not Side.none:
            yield f"max_side={self.max_side} must not be below size={self.size}"
        if self.unclip is Unclip.exact and self.unclip_ratio is not None:
            yield f"unclip_ratio={self.unclip_ratio:g} has no effect with unclip=exact; remove one of them"


dbnet = ModelPlugin(
    api=1,
    summary="DBNet: text segmentation with a learned threshold (Liao et al., AAAI 2020)",
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

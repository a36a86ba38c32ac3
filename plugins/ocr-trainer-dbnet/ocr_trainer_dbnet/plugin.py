"""Descriptions of DBNet, DBNet++ and their backbones; importing them loads neither the networks nor torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self

from ocr_trainer.plugin import (
    BackboneConfig,
    BackbonePlugin,
    Config,
    Kind,
    ModelPlugin,
    PublishedWeights,
    Task,
    option,
    plugin_option,
)


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


@dataclass
class DBNetConfig(Config):
    """The options of DBNet and DBNet++; the defaults are the authors'."""

    backbone: Any = plugin_option(Kind.backbone, default=BackboneConfig(name="resnet18"))
    """The backbone plugin and its options: `{name: resnet50, weights: FILE}`."""
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
        return replace(self, backbone=self.backbone.without_init_weights())

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


ARCHITECTURE = ("backbone", "neck_channels")
LIAO = PublishedWeights(
    name="MhLiao/DB",
    source="https://github.com/MhLiao/DB",
    file="final",
    license="none stated",
    data="trained on SynthText, which is for research, and on public datasets; backbones with deformable "
    "convolutions, as in all weights that the authors publish, cannot be loaded",
    layout="ocr_trainer_dbnet.published:dbnet",
)

dbnet = ModelPlugin(
    api=1,
    summary="DBNet: text segmentation with a learned threshold (Liao et al., AAAI 2020)",
    config=DBNetConfig,
    task=Task.detection,
    factory="ocr_trainer_dbnet.model:DBNet",
    architecture=ARCHITECTURE,
    published=(replace(LIAO, layout="ocr_trainer_dbnet.published:dbnet"),),
)

dbnetpp = ModelPlugin(
    api=1,
    summary="DBNet++: DBNet with adaptive scale fusion (Liao et al., TPAMI 2022)",
    config=DBNetConfig,
    task=Task.detection,
    factory="ocr_trainer_dbnet.model:DBNetPP",
    architecture=ARCHITECTURE,
    published=(replace(LIAO, layout="ocr_trainer_dbnet.published:dbnetpp"),),
)

resnet18 = BackbonePlugin(
    api=1,
    summary="ResNet of 18 layers (He et al., CVPR 2016)",
    config=BackboneConfig,
    factory="ocr_trainer_dbnet.resnet:resnet18",
)

resnet34 = BackbonePlugin(
    api=1,
    summary="ResNet of 34 layers (He et al., CVPR 2016)",
    config=BackboneConfig,
    factory="ocr_trainer_dbnet.resnet:resnet34",
)

resnet50 = BackbonePlugin(
    api=1,
    summary="ResNet of 50 layers with the stride in the 3x3 convolutions (He et al., CVPR 2016)",
    config=BackboneConfig,
    factory="ocr_trainer_dbnet.resnet:resnet50",
)

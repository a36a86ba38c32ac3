"""Descriptions of DBNet, DBNet++ and their backbones; importing them loads neither the networks nor torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from ocr_trainer.plugin import (
    BackboneConfig,
    BackbonePlugin,
    Kind,
    ModelPlugin,
    PublishedWeights,
    Task,
    option,
    plugin_option,
)
from ocr_trainer.plugin.options import DBConfig


@dataclass
class ResNetConfig(BackboneConfig):
    """The options of a ResNet."""

    width: int = option(64, at_least=1)
    """Channels of the first stage; each further stage has twice as many. Published weights have 64."""


@dataclass
class DBNetConfig(DBConfig):
    """The options of DBNet and DBNet++; the defaults are the authors'."""

    backbone: Any = plugin_option(Kind.backbone, default=ResNetConfig(name="resnet18"))
    """The backbone plugin and its options: `{name: resnet50, weights: FILE}`."""
    neck_channels: int = option(256, at_least=4)
    """Channels of the feature pyramid; a multiple of 4."""

    probability_weight: float = option(5, at_least=0)
    """Loss weight of the probability map's cross entropy."""
    binary_weight: float = option(1, at_least=0)
    """Loss weight of the binary map's dice loss."""
    threshold_weight: float = option(10, at_least=0)
    """Loss weight of the threshold map's L1 distance."""
    negative_ratio: float = option(3, above=0)
    """Hard background pixels per text pixel in the loss."""

    def without_init_weights(self) -> Self:
        """Return the options without the backbone's initial weights, for loading a checkpoint."""
        return replace(self, backbone=self.backbone.without_init_weights())

    def validate(self) -> Iterator[str]:
        """Yield one message per combination of options that is not allowed."""
        if self.neck_channels % 4:
            yield f"neck_channels={self.neck_channels} must be a multiple of 4"
        yield from super().validate()


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
    config=ResNetConfig,
    factory="ocr_trainer_dbnet.resnet:resnet18",
)

resnet34 = BackbonePlugin(
    api=1,
    summary="ResNet of 34 layers (He et al., CVPR 2016)",
    config=ResNetConfig,
    factory="ocr_trainer_dbnet.resnet:resnet34",
)

resnet50 = BackbonePlugin(
    api=1,
    summary="ResNet of 50 layers with the stride in the 3x3 convolutions (He et al., CVPR 2016)",
    config=ResNetConfig,
    factory="ocr_trainer_dbnet.resnet:resnet50",
)

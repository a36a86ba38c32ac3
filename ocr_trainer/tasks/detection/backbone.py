"""Backbones: networks that extract feature maps from images, below the neck and the heads of a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ocr_trainer.checkpoint.pretrained import load_pretrained
from ocr_trainer.plugin import BackboneConfig, Context, Kind, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception

log = logging.getLogger("ocr_trainer")

STRIDES = (4, 8, 16, 32)
"""Image pixels per feature, along each axis, of the feature maps of a backbone."""
PROBE = (64, 96)
"""Height and width of the image that a backbone is tested with: not square, and no common training size."""
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's pixels, RGB, 0 to 255: most published weights expect them."""


class Backbone(nn.Module):
    """Base class of backbones. A subclass sets `channels` and implements `forward`."""

    channels: Sequence[int]
    """Channels of each feature map that `forward` returns."""
    mean: Sequence[float] = IMAGENET_MEAN
    """Mean of the pixels per channel, RGB, 0 to 255. The model subtracts it from its images."""
    std: Sequence[float] = IMAGENET_STD
    """Standard deviation of the pixels, RGB, 0 to 255. The model divides its images by it."""

    @property
    def network(self) -> nn.Module:
        """The module that initial weights are loaded into; a wrapper returns the network that it wraps."""
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        """Extract features at four resolutions.

        Args:
            x: Normalized images, float, (batch, 3, height, width), in any memory format. Height and width are
                multiples of 32.

        Returns:
            Four feature maps, the finest first: float, (batch, channels[i], height / s, width / s) with the
            strides s = 4, 8, 16 and 32.
        """
        raise NotImplementedError


def build_backbone(config: BackboneConfig, context: Context) -> Backbone:
    """Build the backbone that a model's options choose, and load its initial weights; log what was loaded.

    Raises:
        PluginBroken: The plugin cannot be imported, or its feature maps do not have the sizes that it states.
        ConfigError: The backbone is not available with these options.
        CheckpointError: The weights are not available, cannot be read, or do not fit.
    """
    backbone: Backbone = build(Kind.backbone, config, context)
    if reason := wrong_features(backbone):
        raise discovery.broken(discovery.find(Kind.backbone, config.name), reason)
    if config.weights is not None:
        log.info("model.backbone: %s", load_pretrained(backbone.network, config.weights))
    return backbone


@torch.no_grad()
def wrong_features(backbone: Backbone) -> str | None:
    """Return how the feature maps of an image differ from the contract, or `None`."""
    backbone.eval()  # the probe must not change running statistics
    try:
        shapes = [tuple(feature.shape[1:]) for feature in backbone(torch.zeros(1, 3, *PROBE))]
    except Exception as error:  # a plugin's code may raise anything
        return f"its forward fails with {describe_exception(error)}"
    backbone.train()
    sizes = [(PROBE[0] // stride, PROBE[1] // stride) for stride in STRIDES]
    expected = [(channels, *size) for channels, size in zip(backbone.channels, sizes, strict=False)]
    if len(expected) == len(STRIDES) and shapes == expected:
        return None
    height, width = PROBE
    return (
        f"from an image of {height} x {width} pixels, it makes feature maps of the shapes {shapes}, "
        f"but its channels are {list(backbone.channels)}, so they must be {expected} at the strides {STRIDES}"
    )

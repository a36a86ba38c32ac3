"""The layers of DBNet above the backbone: a feature pyramid, two heads and differentiable binarization.

Liao et al., AAAI 2020; initialization and layer sizes as in the authors' code (MhLiao/DB).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeaturePyramid(nn.Module):
    """A feature pyramid network that merges four resolutions at the finest one.

    Args:
        channels_in: Channels of the features at 1/4, 1/8, 1/16 and 1/32.
        channels: Channels of the inner maps and of the result; a multiple of 4.
    """

    def __init__(self, channels_in: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, channels, 1, bias=False) for c in channels_in)
        self.smooth = nn.ModuleList(
            nn.Conv2d(channels, channels // 4, 3, padding=1, bias=False) for _ in channels_in
        )
        self.apply(initialize)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the backbone's features to (batch, channels, h / 4, w / 4), the coarsest (p5) first."""
        return torch.cat(self.levels(features), dim=1)

    def levels(self, features: list[Tensor]) -> list[Tensor]:
        """Map the backbone's features to four of (batch, channels / 4, h / 4, w / 4), the coarsest first."""
        merged = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in (2, 1, 0):
            merged[level] = merged[level] + F.interpolate(merged[level + 1], scale_factor=2.0, mode="nearest")
        levels = [
            F.interpolate(smooth(x), scale_factor=float(2**level), mode="nearest") if level else smooth(x)
            for level, (smooth, x) in enumerate(zip(self.smooth, merged, strict=True))
        ]
        return levels[::-1]


class Head(nn.Sequential):
    """Maps features, (batch, channels, h, w), to a map of logits, (batch, 1, 4 h, 4 w)."""

    def __init__(self, channels: int) -> None:
        narrow = channels // 4
        super().__init__(
            nn.Conv2d(channels, narrow, 3, padding=1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(narrow, narrow, 2, stride=2),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(narrow, 1, 2, stride=2),
        )
        self.apply(initialize)


def initialize(module: nn.Module) -> None:
    """Initialize a layer as the authors' code does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.constant_(module.weight, 1.0)
        nn.init.constant_(module.bias, 1e-4)


def differentiable_step(probability: Tensor, threshold: Tensor, k: float) -> Tensor:
    """Return the approximate binary map 1 / (1 + exp(-k (P - T))): a step that has a gradient (equation 2).

    Args:
        probability: float32, the map P, 0 to 1.
        threshold: float32, the map T, of P's shape, 0 to 1.
        k: Steepness; 50 in the paper.
    """
    return torch.sigmoid(k * (probability - threshold))

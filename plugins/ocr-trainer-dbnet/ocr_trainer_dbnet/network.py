"""What DBNet puts on its backbone: a feature pyramid, two heads, and the differentiable step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeaturePyramid(nn.Module):
    """Features of four resolutions, brought together at the finest.

    Args:
        channels_in: Channels of the features at 1/4, 1/8, 1/16, 1/32.
        channels: Channels inside and of the result; a multiple of 4.
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
        """Map them to four of (batch, channels / 4, h / 4, w / 4), the coarsest first."""
        merged = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in (2, 1, 0):
            merged[level] = merged[level] + F.interpolate(merged[level + 1], scale_factor=2.0, mode="nearest")
        levels = [
            F.interpolate(smooth(x), scale_factor=float(2**level), mode="nearest") if level else smooth(x)
            for level, (smooth, x) in enumerate(zip(self.smooth, merged, strict=True))
        ]
        return levels[::-1]


class Head(nn.Sequential):
    """A map of logits at four times the resolution of its features, (batch, 1, 4 h, 4 w)."""

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
    """Set the weights of a new layer as the authors do."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.constant_(module.weight, 1.0)
        nn.init.constant_(module.bias, 1e-4)


def differentiable_step(probability: Tensor, threshold: Tensor, k: float) -> Tensor:
    """Return 1 / (1 + exp(-k (P - T))): nearly 1 where P is above T, and with a gradient."""
    return torch.sigmoid(k * (probability - threshold))

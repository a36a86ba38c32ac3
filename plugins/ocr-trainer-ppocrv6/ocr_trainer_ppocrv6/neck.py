"""The neck and the heads of the detector: RepLKFPN, a feature pyramid with large kernels, and DB heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer_ppocrv6.layers import ConvNorm, SqueezeExcite, TransposedConvNorm

SLOPE = 0.2
"""Slope of `SqueezeExcite` in the neck."""


class WeighedConv(nn.Module):
    """A pointwise convolution, plus its result weighted by squeeze-and-excitation."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.squeeze = SqueezeExcite(channels, SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Map float (batch, channels_in, h, w) to (batch, channels, h, w)."""
        x = self.conv(x)
        weighed: Tensor = x + self.squeeze(x)
        return weighed


class LargeKernelPyramid(nn.Module):
    """RepLKFPN: a feature pyramid whose levels are smoothed by depthwise convolutions with large kernels.

    Args:
        channels_in: Channels of the features at 1/4, 1/8, 1/16 and 1/32.
        channels: Channels of the inner maps and of the result; a multiple of 4.
        kernel: Size of the depthwise kernels.
    """

    def __init__(self, channels_in: Sequence[int], channels: int, kernel: int) -> None:
        super().__init__()
        # The coarsest level comes first, as in the published weights.
        self.lateral = nn.ModuleList(WeighedConv(count, channels) for count in reversed(channels_in))
        self.smooth = nn.ModuleList(
            nn.Sequential(
                ConvNorm(channels, channels, (kernel, kernel), groups=channels),
                WeighedConv(channels, channels // 4),
            )
            for _ in channels_in
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the backbone's features to (batch, channels, h / 4, w / 4), the coarsest level first."""
        merged: list[Tensor] = []
        for lateral, feature in zip(self.lateral, reversed(features), strict=True):
            level = lateral(feature)
            merged.append(level + _enlarge(merged[-1], 2) if merged else level)
        factors = (8, 4, 2, 1)
        levels = [smooth(x) for smooth, x in zip(self.smooth, merged, strict=True)]
        return torch.cat([_enlarge(x, factor) for x, factor in zip(levels, factors, strict=True)], dim=1)


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="nearest")


class Head(nn.Module):
    """Maps features, (batch, channels, h / 4, w / 4), to a map of logits, (batch, 1, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 4
        self.reduce = ConvNorm(channels, narrow, (3, 3))
        self.enlarge = TransposedConvNorm(narrow)
        self.last = nn.ConvTranspose2d(narrow, 1, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, four times as high and wide as the features."""
        logits: Tensor = self.last(torch.relu(self.enlarge(torch.relu(self.reduce(x)))))
        return logits

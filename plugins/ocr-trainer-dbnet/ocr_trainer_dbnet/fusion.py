"""Adaptive scale fusion of DBNet++: attention weighs the levels of the pyramid at each position.

Liao, Zou, Wan, Yao, Bai, "Real-Time Scene Text Detection with Differentiable Binarization and Adaptive
Scale Fusion", TPAMI 2022. The attention is `scale_channel_spatial` of the authors' code (MhLiao/DB,
decoders/feature_attention.py), which the published configurations of the authors and of MMOCR use.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ocr_trainer_dbnet.network import FeaturePyramid

GATE_STD = 0.01
"""Standard deviation of the initial weights that choose between levels."""


class ScaleAttention(nn.Module):
    """Weights of the levels at each position: channel attention, spatial attention, then a gate per level.

    Args:
        channels: Channels of the input.
        levels: Number of levels to weigh.
    """

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        squeezed = max(channels // 4, 1)
        self.channel_wise = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1, bias=False),
            nn.Sigmoid(),
        )
        first = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        self.spatial_wise = nn.Sequential(
            first,
            nn.ReLU(inplace=True),
            nn.Conv2d(1, 1, 1, bias=False),
            nn.Sigmoid(),
        )
        gate = nn.Conv2d(channels, levels, 1, bias=False)
        self.level_wise = nn.Sequential(gate, nn.Sigmoid())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        with torch.no_grad():
            # A ReLU follows its only channel: if that were negative everywhere, it would get no gradient.
            first.weight.abs_()
            # The authors' weights give logits of +-11: gates are open or shut from the start, and large steps
            # can shut all of them for good. With small weights every gate starts near one half.
            gate.weight.normal_(std=GATE_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Map float (batch, channels, h, w) to weights from 0 to 1, (batch, levels, h, w)."""
        x = x + self.channel_wise(x)
        x = x + self.spatial_wise(x.mean(dim=1, keepdim=True))
        weights: Tensor = self.level_wise(x)
        return weights


class AdaptivePyramid(FeaturePyramid):
    """A feature pyramid that weighs its levels by attention before it concatenates them."""

    def __init__(self, channels_in: Sequence[int], channels: int) -> None:
        super().__init__(channels_in, channels)
        self.look = nn.Conv2d(channels, channels // 4, 3, padding=1)
        self.attention = ScaleAttention(channels // 4, len(channels_in))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the backbone's features to (batch, channels, h / 4, w / 4), the coarsest (p5) first."""
        levels = self.levels(features)
        weights = self.attention(self.look(torch.cat(levels, dim=1))).split(1, dim=1)
        return torch.cat([weight * level for weight, level in zip(weights, levels, strict=True)], dim=1)

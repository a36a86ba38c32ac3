"""PP-LCNetV4, the backbone of both networks: blocks of a depthwise convolution and a channel mixer.

The structure follows the published weights. In the authors' training, each depthwise convolution has parallel
branches; in the weights, they are folded into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer_ppocrv6.layers import ConvNorm, Pair, SqueezeExcite, masked

SLOPE = 1 / 6
"""Slope of `SqueezeExcite` in the backbone."""


@dataclass(frozen=True)
class Stage:
    """A stage of the backbone."""

    channels: int
    depth: int
    """Number of blocks that keep the size. The first, third, … of them have squeeze-and-excitation."""
    transition: Pair | None = None
    """Stride of a block before these that changes the number of channels; None for no such block."""


class Stem(nn.Module):
    """Reduces an image to a quarter of its size: a convolution, then small convolutions beside max pooling.

    Args:
        inner: Channels within the stem.
        channels: Channels of the result.
    """

    def __init__(self, inner: int, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(3, inner, (3, 3), (2, 2))
        self.narrow = ConvNorm(inner, inner // 2, (2, 2), padding=(0, 0))
        self.widen = ConvNorm(inner // 2, inner, (2, 2), padding=(0, 0))
        self.merge = ConvNorm(2 * inner, inner, (3, 3), (2, 2))
        self.last = ConvNorm(inner, channels)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map float (batch, 3, h, w) to (batch, channels, h / 4, w / 4), rounded up.

        Args:
            x: The images, 0 in padding.
            mask: 1 for the columns of the images at half of their width.
        """
        x = masked(torch.relu(self.first(x)), mask)
        # Kernels of even size see the pixel itself and its right and lower neighbors.
        pooled = F.max_pool2d(_extend(x), 2, 1)
        x = masked(torch.relu(self.narrow(_extend(x))), mask)
        x = masked(torch.relu(self.widen(_extend(x))), mask)
        x = torch.relu(self.merge(torch.cat((masked(pooled, mask), x), dim=1)))
        return torch.relu(self.last(x))


def _extend(x: Tensor) -> Tensor:
    """Add a column of zeros on the right and a row of zeros at the bottom."""
    return F.pad(x, (0, 1, 0, 1))


class Block(nn.Module):
    """A depthwise convolution that mixes neighbors, then two pointwise ones that mix channels.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the result.
        stride: Stride of the depthwise convolution.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: Pair = (1, 1), squeeze: bool = False) -> None:
        super().__init__()
        self.depthwise = ConvNorm(channels_in, channels_in, (3, 3), stride, groups=channels_in)
        self.squeeze = SqueezeExcite(channels_in, SLOPE) if squeeze else None
        self.widen = ConvNorm(channels_in, 2 * channels_in)
        self.narrow = ConvNorm(2 * channels_in, channels)
        self.residual = channels_in == channels and stride == (1, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map float (batch, channels_in, h, w) to (batch, channels, h / stride, w / stride), rounded up."""
        x = self.depthwise(masked(x, mask))
        if self.squeeze is not None:
            x = self.squeeze(x, mask)
        mixed: Tensor = self.narrow(F.gelu(self.widen(x)))
        return x + mixed if self.residual else mixed


class LCNet(nn.Module):
    """PP-LCNetV4.

    Args:
        inner: Channels within the stem.
        stages: The stages. Their strides along the width must be 1 if images are padded.
    """

    def __init__(self, inner: int, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.channels = [stage.channels for stage in stages]
        """Channels of the features of each stage."""
        self.stem = Stem(inner, stages[0].channels)
        before = [stages[0].channels, *self.channels]
        self.stages = nn.ModuleList(
            nn.ModuleList(_blocks(stage, channels_in))
            for stage, channels_in in zip(stages, before, strict=False)
        )

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the stem and of each block, for `optimizer.layer_decay`."""
        blocks = [block for stage in self.stages for block in stage]  # type: ignore[attr-defined]
        return [list(module.parameters()) for module in (self.stem, *blocks)]

    def forward(self, x: Tensor, half: Tensor | None = None, quarter: Tensor | None = None) -> list[Tensor]:
        """Return the features of each stage.

        Args:
            x: Normalized images, float (batch, 3, height, width), 0 in padding.
            half: Mask of their columns at half of the width, if there is padding.
            quarter: Mask of their columns at a quarter of the width.
        """
        x = self.stem(x, half)
        features = []
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, quarter)
            features.append(x)
        return features


def _blocks(stage: Stage, channels_in: int) -> list[Block]:
    blocks = [Block(stage.channels, stage.channels, squeeze=place % 2 == 0) for place in range(stage.depth)]
    if stage.transition is None:
        return blocks
    return [Block(channels_in, stage.channels, stage.transition), *blocks]

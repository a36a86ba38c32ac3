"""Layers that the networks of PP-OCRv6 share.

Images of different widths may share a batch. Layers that look at neighboring columns therefore take a mask:
float (batch, 1, 1, width), 1 for the columns of an image and 0 for padding, or None without padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Pair = tuple[int, int]
"""A size or a stride: along the height, along the width."""


class ConvNorm(nn.Sequential):
    """A convolution without bias and its batch normalization.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the result.
        kernel: Height and width of the kernel.
        stride: Stride of the convolution.
        groups: Groups of the convolution.
        padding: Padding of the convolution; the default keeps the size if the kernel is odd.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: Pair = (1, 1),
        stride: Pair = (1, 1),
        groups: int = 1,
        padding: Pair | None = None,
    ) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2) if padding is None else padding
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)


class TransposedConvNorm(nn.Sequential):
    """A transposed convolution that doubles height and width, and its batch normalization."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, 2, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels)


class SqueezeExcite(nn.Module):
    """Weighs each channel by the channel means of the whole image (Hu et al., CVPR 2018).

    Args:
        channels: Channels of the input.
        slope: Slope of the piecewise linear function that maps to weights from 0 to 1.
    """

    def __init__(self, channels: int, slope: float) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)
        self.slope = slope

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the weighted channels: float (batch, channels, height, width), like the input."""
        weights = self.excite(torch.relu(self.squeeze(mean(x, mask))))
        weighed: Tensor = x * (weights * self.slope + 0.5).clamp(0, 1)
        return weighed


def mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over all positions that are not padding: float (batch, channels, 1, 1)."""
    if mask is None:
        # One dimension after the other: onnxruntime adds up the values of a reduction one by one in
        # float32, which for a whole page is 15 times as far from float64 as PyTorch is.
        return x.mean(3, keepdim=True).mean(2, keepdim=True)
    return (x * mask).mean(2, keepdim=True).sum(3, keepdim=True) / mask.sum(3, keepdim=True)


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return `x` with 0 in padding, like the padding at the edges of an image."""
    return x if mask is None else x * mask


def initialize(module: nn.Module) -> None:
    """Initialize a layer for training from random weights."""
    if any(parameter.is_meta for parameter in module.parameters(recurse=False)):
        return  # only shapes are needed, and torch would import its compiler to initialize meta tensors
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)

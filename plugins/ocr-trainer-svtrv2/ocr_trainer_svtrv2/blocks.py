"""The blocks of SVTRv2. Features are float, (batch, height, width, channels): channels come last.

Norms and linear layers work on this layout. Permuted to (batch, channels, height, width), it is the memory
format in which grouped convolutions are fastest on a CPU, so no layer has to copy its input.

Masks are bool, (batch, width): true in the columns that are not padding. A convolution sees zeros beyond
an image's own width, as it does at the edge of the batch, so padding does not change the result.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD = 32
"""Channels per attention head and per group of a convolution."""


class Convolution(nn.Conv2d):
    """A 3x3 convolution of channels-last features that sees zeros in the padding."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels_in, channels, 3, stride, padding=1, groups=groups, bias=bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]  # needs the mask
        """Map (batch, height, width, channels_in) to (batch, height / stride, width / stride, channels)."""
        x = x * mask[:, None, :, None]
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Stem(nn.Module):
    """Two convolutions of stride 2 instead of a patch embedding: to a quarter of height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = Convolution(3, half, stride=(2, 2), bias=False)
        self.norm1 = nn.BatchNorm2d(half)
        self.conv2 = Convolution(half, channels, stride=(2, 2), bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of images and their mask.

        Args:
            x: float, (batch, height, width, 3).
            widths: int64, (batch,): the number of columns of each image that are not padding.

        Returns:
            (batch, height / 4, width / 4, channels), each rounded up, and bool, (batch, width / 4).
        """
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2)):
            x = conv(x, columns(widths, x.shape[2]))
            x = F.gelu(norm(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
            widths = halved(widths)
        return x, columns(widths, x.shape[2])


def columns(widths: Tensor, width: int) -> Tensor:
    """Return the mask of a batch: bool, (batch, width), true for the first `widths` columns."""
    return torch.arange(width, device=widths.device) < widths[:, None]


def halved(width: Tensor) -> Tensor:
    """Return the width after a convolution of stride 2."""
    return (width + 1) // 2


class Attention(nn.Module):
    """Multi-head self-attention that skips padding."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, tokens, channels) to the same shape; the mask is bool, (batch, tokens)."""
        query, key, value = self.qkv(x).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """A mixer of positions, then an MLP; each has a shortcut and a norm after it (post-norm)."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, height, width, channels) to the same shape."""
        x = self.norm1(x + self.drop(self.mix(x, mask)))
        x = self.norm2(x + self.drop(self.mlp(x)))
        return x

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Exchange information between positions; subclasses implement it."""
        raise NotImplementedError

    def drop(self, branch: Tensor) -> Tensor:
        """In training, drop the branch of some images (stochastic depth, Huang et al., ECCV 2016)."""
        if not self.training or self.drop_path == 0:
            return branch
        kept = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(1 - self.drop_path)
        # Scaled so that the mean stays as it is in evaluation.
        return branch * (kept / (1 - self.drop_path))


class LocalBlock(Block):
    """Local mixing: two grouped 3x3 convolutions."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__(channels, drop_path)
        self.conv1 = Convolution(channels, channels, groups=channels // HEAD)
        self.conv2 = Convolution(channels, channels, groups=channels // HEAD)

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Mix each position with the 5x5 positions around it."""
        x = self.conv2(self.conv1(x, mask), mask)
        return x


class GlobalBlock(Block):
    """Global mixing: attention over all positions of an image."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__(channels, drop_path)
        self.attention = Attention(channels, bias=True)

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Mix each position with all positions of the image."""
        height, width = x.shape[1:3]
        x = self.attention(x.flatten(1, 2), mask.repeat(1, height)).unflatten(1, (height, width))
        return x


class RowBlock(Block):
    """Row mixing: attention over all positions of a row.

    Args:
        channels: Channels of the features.
        pre_norm: Normalize before the mixer and the MLP, as in the authors' code, rather than after them.
    """

    def __init__(self, channels: int, pre_norm: bool = False) -> None:
        super().__init__(channels, drop_path=0)
        self.attention = Attention(channels, bias=False)
        self.pre_norm = pre_norm
        if pre_norm:
            self.norm1.eps = self.norm2.eps = 1e-5

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, height, width, channels) to the same shape."""
        if not self.pre_norm:
            return super().forward(x, mask)
        x = x + self.mix(self.norm1(x), mask)
        x = x + self.mlp(self.norm2(x))
        return x

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Mix each position with all positions of its row."""
        height = x.shape[1]
        x = self.attention(x.flatten(0, 1), mask.repeat_interleave(height, 0)).unflatten(0, (-1, height))
        return x

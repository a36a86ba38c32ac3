"""What SVTRv2 is built of. Features are float (batch, height, width, channels): channels come last.

That is the layout that norms and linear layers work on, and seen as (batch, channels, height, width)
it is the one in which grouped convolutions are fastest on a CPU, so nothing is ever copied between them.

Masks are (batch, width), bool: true in the columns that are no padding. A convolution sees zeros beyond
an image's own width, as it does at the edge of the batch, so that padding makes no difference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD = 32
"""Channels per attention head and per group of a convolution."""


class Convolution(nn.Conv2d):
    """A 3x3 convolution that sees zeros in the padding."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels_in, channels, 3, stride, padding=1, groups=groups, bias=bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, height, width, channels_in) to (batch, height / stride, width / stride, channels)."""
        x = x * mask[:, None, :, None]
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Stem(nn.Module):
    """Two convolutions, each of stride 2, in place of patches: to a quarter of height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = Convolution(3, half, stride=(2, 2), bias=False)
        self.norm1 = nn.BatchNorm2d(half)
        self.conv2 = Convolution(half, channels, stride=(2, 2), bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of images, and their mask."""
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2)):
            x = conv(x, columns(widths, x.shape[2]))
            x = F.gelu(norm(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
            widths = halved(widths)
        return x, columns(widths, x.shape[2])


def columns(widths: Tensor, width: int) -> Tensor:
    """Return the mask, (batch, width), of images that are so wide in a batch of that width."""
    return torch.arange(width, device=widths.device) < widths[:, None]


def halved(width: Tensor) -> Tensor:
    """Return how wide something is behind a convolution of stride 2."""
    return (width + 1) // 2


class Attention(nn.Module):
    """Every token looks at all tokens of its sequence that are no padding."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, tokens, channels) to the same, with a mask (batch, tokens)."""
        query, key, value = self.qkv(x).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A mixer of places, then a perceptron at each; each is added, and normalized after that."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, height, width, channels) to the same."""
        x = self.norm1(x + self.drop(self.mix(x, mask)))
        return self.norm2(x + self.drop(self.mlp(x)))

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Let places exchange what they know."""
        raise NotImplementedError

    def drop(self, branch: Tensor) -> Tensor:
        """Leave a branch out for some of the images, in training (stochastic depth, Huang et al. 2016)."""
        if not self.training or self.drop_path == 0:
            return branch
        kept = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(1 - self.drop_path)
        return branch * (kept / (1 - self.drop_path))


class LocalBlock(Block):
    """Neighbours exchange what they know: two grouped convolutions."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__(channels, drop_path)
        self.conv1 = Convolution(channels, channels, groups=channels // HEAD)
        self.conv2 = Convolution(channels, channels, groups=channels // HEAD)

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Look at the 5x5 places around each."""
        return self.conv2(self.conv1(x, mask), mask)


class GlobalBlock(Block):
    """All places of an image exchange what they know."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__(channels, drop_path)
        self.attention = Attention(channels, bias=True)

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Look at all places of the image."""
        height, width = x.shape[1:3]
        tokens = self.attention(x.flatten(1, 2), mask.repeat(1, height))
        return tokens.unflatten(1, (height, width))


class RowBlock(Block):
    """All places of a row exchange what they know."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, drop_path=0)
        self.attention = Attention(channels, bias=False)

    def mix(self, x: Tensor, mask: Tensor) -> Tensor:
        """Look at all places of the same row."""
        height = x.shape[1]
        rows = self.attention(x.flatten(0, 1), mask.repeat_interleave(height, 0))
        return rows.unflatten(0, (-1, height))

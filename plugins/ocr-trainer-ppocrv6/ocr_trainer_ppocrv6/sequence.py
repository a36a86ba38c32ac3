"""The sequence encoder of the recognizer, between backbone and classifier: attention over the steps.

The layers and sizes follow the published weights, in which a shortcut leads around the attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer_ppocrv6.layers import ConvNorm, Pair, masked

KERNEL = 7
"""Width of the convolution along the sequence."""


class Attention(nn.Module):
    """Self-attention with several heads.

    Args:
        channels: Channels of the input; a multiple of `heads`.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        """Mix the steps.

        Args:
            x: float (batch, steps, channels).
            keys: bool (batch, 1, 1, steps), True for steps that are not padding; None if there is no padding.
        """
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=keys)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class MixerBlock(nn.Module):
    """Attention over the steps, then two linear layers per step, each part with a residual connection."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads)
        self.before_linear = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        """Map float (batch, steps, channels) to the same shape."""
        x = x + self.attention(self.before_attention(x), keys)
        mixed: Tensor = self.narrow(F.silu(self.widen(self.before_linear(x))))
        return x + mixed


class SequenceEncoder(nn.Module):
    """Turns the features of an image into a sequence of steps.

    Args:
        channels_in: Channels of the features.
        channels: Channels of the steps.
        depth: Number of attention blocks.
        heads: Number of heads per block.
        pooling: Rows and columns of the features that are averaged into one step; must include all rows.
    """

    def __init__(self, channels_in: int, channels: int, depth: int, heads: int, pooling: Pair) -> None:
        super().__init__()
        self.pooling = pooling
        self.around = ConvNorm(channels_in, channels)
        self.reduce = ConvNorm(channels_in, channels)
        self.neighbors = ConvNorm(channels, channels, (1, KERNEL), groups=channels)
        self.blocks = nn.ModuleList(MixerBlock(channels, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the convolutions and of each attention block."""
        below = [*self.around.parameters(), *self.reduce.parameters(), *self.neighbors.parameters()]
        return [below, *(list(block.parameters()) for block in self.blocks)]

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map features to steps.

        Args:
            x: float (batch, channels_in, rows, columns).
            mask: float (batch, 1, 1, steps), 1 for steps that are not padding; None if there is no padding.

        Returns:
            float (batch, steps, channels).
        """
        x = F.avg_pool2d(x, self.pooling)
        around = F.silu(self.around(x))
        x = F.silu(self.reduce(x))
        x = x + F.silu(self.neighbors(masked(x, mask)))
        steps, keys = x.flatten(2).transpose(1, 2), None if mask is None else mask.bool()
        for block in self.blocks:
            steps = block(steps, keys)
        return torch.add(self.norm(steps), around.flatten(2).transpose(1, 2))

"""The semantic guidance module (SGM) of SVTRv2: features learn the context of each character.

In training, the characters to the left of a character must suffice to find it in the image, and so must
those to the right. This works only if the features encode the context, too. The module is not used for
inference. Du et al. 2024 (arXiv 2411.15858), section "Semantic Guidance Module".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer_svtrv2.blocks import HEAD
from ocr_trainer_svtrv2.network import initialize

LOOK_HEADS = 2
"""Heads of the attention to the image."""


class CrossAttention(nn.Module):
    """Multi-head attention of queries to other tokens, without padding; both are normalized first."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query = nn.LayerNorm(channels, eps=1e-6)
        self.norm_tokens = nn.LayerNorm(channels, eps=1e-6)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, query: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the attended values.

        Args:
            query: (batch, queries, channels).
            tokens: (batch, tokens, channels).
            mask: bool, (batch, tokens): true for tokens that are not padding.

        Returns:
            (batch, queries, channels).
        """
        query = self.query(self.norm_query(query)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = (
            self.key_value(self.norm_tokens(tokens)).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


class Direction(nn.Module):
    """The learned parameters of one side: the initial query and the position embeddings of the context."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(channels))
        self.places = nn.Parameter(torch.empty(1 + context, channels))
        """(1 + context, channels): a token that is always visible, then the context, farthest first."""
        nn.init.trunc_normal_(self.query, std=0.02)
        nn.init.trunc_normal_(self.places, std=0.02)


class Guidance(nn.Module):
    """The semantic guidance module.

    Args:
        characters: Number of characters in the charset.
        channels: Channels of the features.
        context: Number of characters of context on each side.
    """

    def __init__(self, characters: int, channels: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(characters, channels)
        self.left = Direction(channels, context)
        self.right = Direction(channels, context)
        self.read = CrossAttention(channels, channels // HEAD)
        self.look = CrossAttention(channels, LOOK_HEADS)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.head = nn.Linear(channels, characters)
        self.apply(initialize)

    def forward(self, features: Tensor, mask: Tensor, codes: Tensor, lengths: Tensor) -> Tensor:
        """Return the cross entropy of each character given its context, averaged over characters and sides.

        Args:
            features: float, (batch, positions, channels), from the encoder.
            mask: bool, (batch, positions): true for positions that are not padding.
            codes: int64, (batch, longest).
            lengths: int64, (batch,).
        """
        inside = torch.arange(codes.shape[1], device=codes.device) < lengths[:, None]
        # The right context is the left context of the reversed text.
        sides = ((self.left, codes, inside), (self.right, codes.flip(1), inside.flip(1)))
        queries = [self.context_query(side, texts, visible) for side, texts, visible in sides]
        attended = self.norm(self.look(torch.cat(queries, dim=1), features, mask))
        targets = codes.masked_fill(~inside, -1)
        targets = torch.cat([targets, targets.flip(1)], dim=1)
        return F.cross_entropy(self.head(attended).float().flatten(0, 1), targets.flatten(), ignore_index=-1)

    def context_query(self, side: Direction, codes: Tensor, inside: Tensor) -> Tensor:
        """Return a query for each character, made of the characters before it.

        Args:
            side: The parameters of the side.
            codes: int64, (batch, longest); reversed for the right side.
            inside: bool, (batch, longest): true within the text.

        Returns:
            (batch, longest, channels).
        """
        context, visible = windows(codes, self.context), windows(inside, self.context)
        # Scaled as in the Transformer (Vaswani et al. 2017), so that positions do not outweigh characters.
        tokens = self.embedding(context) * self.embedding.embedding_dim**0.5
        tokens = F.pad(tokens, (0, 0, 1, 0)) + side.places
        # The first character has no context: its query attends to the token that is always visible.
        tokens, visible = tokens.flatten(0, 1), F.pad(visible, (1, 0), value=True).flatten(0, 1)
        query = side.query.expand(len(tokens), 1, -1)
        result: Tensor = (query + self.read(query, tokens, visible)).view(*codes.shape, -1)
        return result


def windows(rows: Tensor, size: int) -> Tensor:
    """Return the `size` entries before each entry of a row, (batch, length, size); 0 before its start."""
    return F.pad(rows, (size, 0))[:, :-1].unfold(1, size, 1)

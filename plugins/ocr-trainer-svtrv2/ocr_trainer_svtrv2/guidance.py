"""The semantic guidance module of SVTRv2: features learn what stands around each character.

In training, the characters to the left of a character, without itself, must be enough to find it in
the image, and so must those to the right. The network can give that only if its features tell of the
context, too; the module itself is not used for reading.
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
    """Queries look at other tokens that are no padding; both are normalized before."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query = nn.LayerNorm(channels, eps=1e-6)
        self.norm_tokens = nn.LayerNorm(channels, eps=1e-6)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, query: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return what was found, like the query.

        Args:
            query: (batch, queries, channels).
            tokens: (batch, tokens, channels).
            mask: bool, (batch, tokens): which tokens are no padding.
        """
        query = self.query(self.norm_query(query)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = (
            self.key_value(self.norm_tokens(tokens)).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        return self.out(found.transpose(1, 2).flatten(2))


class Direction(nn.Module):
    """What the module knows of one side: the query it starts from, and the places of the context."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(channels))
        self.places = nn.Parameter(torch.empty(1 + context, channels))
        """One per character of the context, the farthest first, behind one that is always there."""
        nn.init.trunc_normal_(self.query, std=0.02)
        nn.init.trunc_normal_(self.places, std=0.02)


class Guidance(nn.Module):
    """The semantic guidance module.

    Args:
        characters: How many there are in the charset.
        channels: Of the features.
        context: How many characters it is shown, of either side.
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
        """Return how hard characters are to find by their context, as a mean over characters and sides.

        Args:
            features: (batch, places, channels), the encoder's.
            mask: bool, (batch, places): which are no padding.
            codes: int64, (batch, longest).
            lengths: int64, (batch,).
        """
        known = torch.arange(codes.shape[1], device=codes.device) < lengths[:, None]
        sides = ((self.left, codes, known), (self.right, codes.flip(1), known.flip(1)))
        asked = [self.ask(side, texts, there) for side, texts, there in sides]
        found = self.norm(self.look(torch.cat(asked, dim=1), features, mask))
        ground_truths = torch.cat(
            [codes.masked_fill(~known, -1), codes.masked_fill(~known, -1).flip(1)], dim=1
        )
        return F.cross_entropy(
            self.head(found).float().flatten(0, 1), ground_truths.flatten(), ignore_index=-1
        )

    def ask(self, side: Direction, codes: Tensor, known: Tensor) -> Tensor:
        """Turn what stands before each character into a query for it, (batch, longest, channels).

        The right side is the left side of the text read backwards.
        """
        context, there = windows(codes, self.context), windows(known, self.context)
        tokens = self.embedding(context) * self.embedding.embedding_dim**0.5
        tokens = F.pad(tokens, (0, 0, 1, 0)) + side.places
        tokens, there = tokens.flatten(0, 1), F.pad(there, (1, 0), value=True).flatten(0, 1)
        query = side.query.expand(len(tokens), 1, -1)
        return (query + self.read(query, tokens, there)).view(*codes.shape, -1)


def windows(rows: Tensor, size: int) -> Tensor:
    """Return what stands before each entry of a row, (batch, length, size); 0 before its beginning."""
    return F.pad(rows, (size, 0))[:, :-1].unfold(1, size, 1)

"""The network of PARSeq: an encoder of image patches (a ViT) and a decoder with one layer.

Bautista and Atienza, ECCV 2022, section 3.1. Tokens are float, (batch, tokens, dim). Masks are bool, true
where a token may be attended to, and broadcast to (batch, heads, queries, tokens). Layers are normalized
before each sublayer (pre-norm), as in the paper.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EXPANSION = 4
"""Ratio of the hidden width of an MLP to its input."""


class Attention(nn.Module):
    """Multi-head attention whose keys and values are computed separately, so that decoding can cache them."""

    def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def keys(self, tokens: Tensor) -> Tensor:
        """Return the keys and values of tokens, (batch, 2, heads, tokens, dim / heads)."""
        keys: Tensor = (
            self.key_value(tokens).view(*tokens.shape[:2], 2, self.heads, -1).permute(0, 2, 3, 1, 4)
        )
        return keys

    def forward(self, queries: Tensor, keys: Tensor, visible: Tensor | None = None) -> Tensor:
        """Attend from queries to tokens.

        Args:
            queries: (batch, queries, dim).
            keys: From `keys`, (batch, 2, heads, tokens, dim / heads).
            visible: The mask; all tokens if None.

        Returns:
            (batch, queries, dim).
        """
        query = self.query(queries).view(*queries.shape[:2], self.heads, -1).transpose(1, 2)
        key, value = keys.unbind(1)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, visible, dropout)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Sequential):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, dropout: float = 0.0) -> None:
        inner = EXPANSION * dim
        super().__init__(nn.Linear(dim, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, dim))


class EncoderLayer(nn.Module):
    """A layer of a ViT."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads)
        self.norm_mlp = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        """Map (batch, tokens, dim) to the same shape."""
        y = self.norm_attention(x)
        x = x + self.attention(y, self.attention.keys(y), visible)
        x = x + self.mlp(self.norm_mlp(x))
        return x


class Encoder(nn.Module):
    """A ViT without a class token.

    Args:
        size: Height and width of the largest image, in pixels.
        patch: Height and width of a patch, in pixels; they divide `size`.
        dim: Width of the tokens.
        depth: Number of layers.
        heads: Number of attention heads.
    """

    def __init__(
        self, size: tuple[int, int], patch: tuple[int, int], dim: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, dim, patch, stride=patch)
        self.positions = nn.Parameter(torch.empty(1, dim, size[0] // patch[0], size[1] // patch[1]))
        self.layers = nn.ModuleList(EncoderLayer(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.apply(initialize_linear)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the patches with their positions, and of each layer."""
        patches = [*self.patches.parameters(), self.positions]
        return [patches, *(list(layer.parameters()) for layer in self.layers)]

    def forward(self, images: Tensor, visible: Tensor | None) -> Tensor:
        """Return one token per patch, row by row.

        Args:
            images: float, (batch, 3, height, width); they may be narrower than `size`.
            visible: The mask of patches; all are visible if None.

        Returns:
            (batch, patches, dim).
        """
        x: Tensor = self.patches(images)
        x = (x + self.positions[..., : x.shape[-1]]).flatten(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x, visible)
        x = self.norm(x)
        return x


class Decoder(nn.Module):
    """A layer that predicts the character at a position from the known characters and the image.

    With a single layer, the context needs no update of its own, so there is no second stream as in XLNet.

    Args:
        tokens: Size of the vocabulary: classes, [B] and [P].
        places: Positions of a text, including that of [E].
        dim: Width of the tokens.
        heads: Number of attention heads.
        dropout: Dropout probability.
    """

    def __init__(self, tokens: int, places: int, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.text = nn.Embedding(tokens, dim)
        self.places = nn.Parameter(torch.empty(1, places, dim))
        self.norm_context = nn.LayerNorm(dim)
        self.norm_query = nn.LayerNorm(dim)
        self.text_attention = Attention(dim, heads, dropout)
        self.norm_text = nn.LayerNorm(dim)
        self.image_attention = Attention(dim, heads, dropout)
        self.norm_image = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, dropout)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self._initialize()

    def _initialize(self) -> None:
        self.apply(initialize_linear)
        nn.init.trunc_normal_(self.text.weight, std=0.02)
        nn.init.trunc_normal_(self.places, std=0.02)
        # As in torch's MultiheadAttention: Xavier over the stacked matrix of queries, keys and values.
        for attention in (self.text_attention, self.image_attention):
            bound = math.sqrt(6 / (4 * self.text.embedding_dim))
            nn.init.uniform_(attention.query.weight, -bound, bound)
            nn.init.uniform_(attention.key_value.weight, -bound, bound)

    def image_keys(self, memory: Tensor) -> Tensor:
        """Return the keys and values of the encoder's tokens, (batch, patches, dim)."""
        return self.image_attention.keys(memory)

    def text_keys(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Return the keys and values of the context.

        Args:
            tokens: int64, (batch, tokens): [B], the character at position 0, at position 1, …, or a slice.
            start: Index of the slice's first token; [B] has index 0.
        """
        # [B] has no position: its embedding is 0.
        places = F.pad(self.places, (0, 0, 1, 0))[:, start : start + tokens.shape[1]]
        embedded = math.sqrt(self.text.embedding_dim) * self.text(tokens) + places
        return self.text_attention.keys(self.norm_context(self.dropout(embedded)))

    def forward(
        self,
        places: Tensor,
        text_keys: Tensor,
        image_keys: Tensor,
        text_visible: Tensor | None = None,
        image_visible: Tensor | None = None,
    ) -> Tensor:
        """Return a token for each queried position.

        Args:
            places: Position queries from `self.places`, (batch or 1, queries, dim).
            text_keys: From `text_keys`.
            image_keys: From `image_keys`.
            text_visible: The mask of the context; all of it is visible if None.
            image_visible: The mask of the patches; all are visible if None.

        Returns:
            (batch, queries, dim).
        """
        x: Tensor = self.dropout(places.expand(image_keys.shape[0], -1, -1))
        x = x + self.dropout(self.text_attention(self.norm_query(x), text_keys, text_visible))
        x = x + self.dropout(self.image_attention(self.norm_text(x), image_keys, image_visible))
        x = x + self.dropout(self.mlp(self.norm_image(x)))
        x = self.norm(x)
        return x


def initialize_linear(module: nn.Module) -> None:
    """Initialize a linear layer as in ViT."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)

"""What PARSeq is made of: an encoder of image patches (a ViT) and a decoder of one layer.

Tokens are float, (batch, tokens, dim). Masks are bool, true where a token may be looked at, and broadcast
to (batch, heads, queries, tokens). Normalisation comes before each part, as the paper has it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EXPANSION = 4
"""How many times wider a layer is inside than outside."""


class Attention(nn.Module):
    """Multi-head attention whose keys and values are computed apart, to be kept as long as they hold."""

    def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def keys(self, tokens: Tensor) -> Tensor:
        """Return the keys and values of tokens, (batch, 2, heads, tokens, dim / heads)."""
        return self.key_value(tokens).unflatten(-1, (2, self.heads, -1)).permute(0, 2, 3, 1, 4)

    def forward(self, queries: Tensor, keys: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return what each query, (batch, queries, dim), finds in the tokens whose keys are given."""
        query = self.query(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = keys.unbind(1)
        dropout = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, visible, dropout)
        return self.out(found.transpose(1, 2).flatten(2))


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
        """Return the tokens as the layer changes them."""
        y = self.norm_attention(x)
        x = x + self.attention(y, self.attention.keys(y), visible)
        return x + self.mlp(self.norm_mlp(x))


class Encoder(nn.Module):
    """A ViT without a class token.

    Args:
        size: Height and width of the largest image, in pixels.
        patch: Height and width of a patch, which divide them.
        dim: Of the tokens.
        depth: Layers.
        heads: Of the attention.
    """

    def __init__(
        self, size: tuple[int, int], patch: tuple[int, int], dim: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, dim, patch, stride=patch)
        self.positions = nn.Parameter(torch.empty(1, dim, size[0] // patch[0], size[1] // patch[1]))
        self.layers = nn.ModuleList(EncoderLayer(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.apply(initialise_linear)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor, visible: Tensor | None) -> Tensor:
        """Return a token per patch, row by row; images may be narrower than the largest."""
        x = self.patches(images)
        x = (x + self.positions[..., : x.shape[-1]]).flatten(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x, visible)
        return self.norm(x)


class Decoder(nn.Module):
    """A layer that asks, for a place in a text, what the image and the text around it say.

    As there is one layer only, the context goes into it as it is (the second stream of XLNet falls away).

    Args:
        tokens: How many there are: classes, [B] and [P].
        places: How many there are in a text, the one of [E] included.
        dim: Of the tokens.
        heads: Of the attention.
        dropout: The share that is dropped in training.
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
        self._initialise()

    def _initialise(self) -> None:
        self.apply(initialise_linear)
        nn.init.trunc_normal_(self.text.weight, std=0.02)
        nn.init.trunc_normal_(self.places, std=0.02)
        # As torch's own attention: Xavier over queries, keys and values taken together.
        for attention in (self.text_attention, self.image_attention):
            bound = math.sqrt(6 / (4 * self.text.embedding_dim))
            nn.init.uniform_(attention.query.weight, -bound, bound)
            nn.init.uniform_(attention.key_value.weight, -bound, bound)

    def image_keys(self, memory: Tensor) -> Tensor:
        """Return what queries look for in the encoder's tokens."""
        return self.image_attention.keys(memory)

    def text_keys(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Return what queries look for in the context.

        Args:
            tokens: int64, (batch, tokens): [B], the character at place 0, at place 1, …, or a part of it.
            start: Where the part begins; 0 with [B], which has no place.
        """
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
        """Return a token for each of the places asked for.

        Args:
            places: Of `self.places`, (batch or 1, queries, dim).
            text_keys: From `text_keys`.
            image_keys: From `image_keys`.
            text_visible: What of the context each query sees; all of it if None.
            image_visible: What of the image they see; all of it if None.
        """
        x = self.dropout(places.expand(len(image_keys), -1, -1))
        x = x + self.dropout(self.text_attention(self.norm_query(x), text_keys, text_visible))
        x = x + self.dropout(self.image_attention(self.norm_text(x), image_keys, image_visible))
        x = x + self.dropout(self.mlp(self.norm_image(x)))
        return self.norm(x)


def initialise_linear(module: nn.Module) -> None:
    """Set the weights of a new linear layer as ViTs do."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)

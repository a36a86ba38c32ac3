"""The network of SVTRv2 up to its classifier: the encoder, and what rearranges its features to a line."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ocr_trainer_svtrv2.blocks import Block, Convolution, GlobalBlock, LocalBlock, RowBlock, Stem
from ocr_trainer_svtrv2.plugin import Size


@dataclass(frozen=True)
class Plan:
    """Three stages of blocks: how many channels they have, and what each block mixes."""

    channels: tuple[int, int, int]
    blocks: tuple[str, str, str]
    """A letter per block: L for local, G for global mixing."""


PLANS = {
    Size.tiny: Plan((64, 128, 256), ("LLL", "LLLGGG", "GGG")),
    Size.small: Plan((96, 192, 384), ("LLL", "LLLGGG", "GGG")),
    Size.base: Plan((128, 256, 384), ("LLLLLL", "LLGGGG", "GGGGGG")),
}
MIXERS: dict[str, type[Block]] = {"L": LocalBlock, "G": GlobalBlock}
STRIDES = ((1, 1), (2, 1))
"""Of the convolutions between the stages, down and across: the width is never reduced after the stem."""


class Encoder(nn.Module):
    """Features at an eighth of an image's height and a quarter of its width."""

    def __init__(self, plan: Plan, drop_path: float) -> None:
        super().__init__()
        self.stem = Stem(plan.channels[0])
        depth = sum(map(len, plan.blocks))
        rates = (drop_path * index / (depth - 1) for index in range(depth))
        self.stages = nn.ModuleList(
            nn.ModuleList(MIXERS[letter](channels, next(rates)) for letter in letters)
            for letters, channels in zip(plan.blocks, plan.channels, strict=True)
        )
        pairs = zip(plan.channels, plan.channels[1:], STRIDES, strict=False)
        self.downs = nn.ModuleList(Convolution(before, after, stride) for before, after, stride in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in plan.channels[1:])
        self.apply(initialize)

    def forward(self, images: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and their mask.

        Args:
            images: float, (batch, height, width, 3), -1 to 1.
            widths: int64, (batch,): how many columns are no padding.

        Returns:
            (batch, height / 8, width / 4, channels), each rounded up, and bool, (batch, width / 4).
        """
        x, mask = self.stem(images, widths)
        for index, blocks in enumerate(self.stages):
            if index:
                x = self.norms[index - 1](self.downs[index - 1](x, mask))
            for block in blocks:
                x = block(x, mask)
        return x, mask


class Rearrangement(nn.Module):
    """The feature rearrangement module: features of a plane, brought to a line in the order of reading.

    First within each row, where every place takes what it needs from the others; then within each
    column, where a learned token selects how much each row counts. So text that is bent, slanted or in
    perspective comes to stand in the order that CTC needs.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.row = RowBlock(channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.token = nn.Parameter(torch.empty(channels))
        self.apply(initialize)
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, height, width, channels) to (batch, width, channels)."""
        x = self.row(x, mask)
        weights = (self.key(x) @ self.token).softmax(dim=1)
        return torch.einsum("bhw,bhwc->bwc", weights, self.value(x))


def initialize(module: nn.Module) -> None:
    """Set the weights of a new layer as the authors do."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

"""The network of SVTRv2 below its classifier: the encoder and the feature rearrangement module."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ocr_trainer_svtrv2.blocks import Block, Convolution, GlobalBlock, LocalBlock, RowBlock, Stem
from ocr_trainer_svtrv2.plugin import Size


@dataclass(frozen=True)
class Plan:
    """The three stages of an encoder: their channels and blocks."""

    channels: tuple[int, int, int]
    blocks: tuple[str, str, str]
    """One letter per block: L for local mixing, G for global mixing."""


PLANS = {
    Size.tiny: Plan((64, 128, 256), ("LLL", "LLLGGG", "GGG")),
    Size.small: Plan((96, 192, 384), ("LLL", "LLLGGG", "GGG")),
    Size.base: Plan((128, 256, 384), ("LLLLLL", "LLGGGG", "GGGGGG")),
}
MIXERS: dict[str, type[Block]] = {"L": LocalBlock, "G": GlobalBlock}
STRIDES = ((1, 1), (2, 1))
"""Strides, (rows, columns), of the convolutions between the stages; the width stays at 1/4."""


class Encoder(nn.Module):
    """Extracts features at 1/8 of an image's height and 1/4 of its width.

    Args:
        plan: The stages.
        drop_path: Probability of dropping the last block; it grows linearly from 0 at the first one.
    """

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
        self.downs = nn.ModuleList(Convolution(c_in, c_out, stride) for c_in, c_out, stride in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in plan.channels[1:])
        self.apply(initialize)

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the stem and of each block, the first of a stage with what precedes it."""
        layers = [list(self.stem.parameters())]
        for index, blocks in enumerate(self.stages):
            assert isinstance(blocks, nn.ModuleList)  # for mypy
            stage = [list(block.parameters()) for block in blocks]
            if index:
                stage[0] += [*self.downs[index - 1].parameters(), *self.norms[index - 1].parameters()]
            layers += stage
        return layers

    def forward(self, images: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and their mask.

        Args:
            images: float, (batch, height, width, 3), -1 to 1.
            widths: int64, (batch,): the number of columns of each image that are not padding.

        Returns:
            (batch, height / 8, width / 4, channels), each rounded up, and bool, (batch, width / 4).
        """
        x, mask = self.stem(images, widths)
        for index, blocks in enumerate(self.stages):
            if index:
                x = self.norms[index - 1](self.downs[index - 1](x, mask))
            assert isinstance(blocks, nn.ModuleList)  # for mypy
            for block in blocks:
                x = block(x, mask)
        return x, mask


class Rearrangement(nn.Module):
    """The feature rearrangement module (FRM): turns a 2D feature map into a sequence in reading order.

    First, attention within each row; then, in each column, a learned token that weighs the rows. This
    brings curved, slanted and perspective text into the order that CTC needs.
    """

    def __init__(self, channels: int, pre_norm: bool = False) -> None:
        super().__init__()
        self.row = RowBlock(channels, pre_norm)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.token = nn.Parameter(torch.empty(channels))
        self.apply(initialize)
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, height, width, channels) to (batch, width, channels)."""
        x = self.row(x, mask)
        # OpenCV reads neither the product with a vector nor einsum.
        weights = (self.key(x) @ self.token[:, None]).softmax(dim=1)
        sequence: Tensor = (weights * self.value(x)).sum(dim=1)
        return sequence


def initialize(module: nn.Module) -> None:
    """Initialize a layer as the authors' code does."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

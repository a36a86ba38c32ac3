"""The layers of CRNN: convolutions that leave one row, and a recurrent layer that heeds the ends of texts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer_crnn.plugin import HEIGHT_STRIDE

CHANNELS = (64, 128, 256, 256, 512, 512)
"""Of the 3x3 convolutions, in the paper."""
POOLING = ((2, 2), (2, 2), None, (2, 1), None, (2, 1))
"""Rows and columns that become one behind each of them."""


class Features(nn.Module):
    """The convolutions: (batch, 1, height, width) to (batch, width / 4 - 1, channels)."""

    def __init__(self, height: int, share: int) -> None:
        super().__init__()
        widths = [1, *(channels // share for channels in CHANNELS)]
        self.channels = widths[-1]
        """Of the result."""
        self.stages = nn.ModuleList(
            Stage(before, after, pooling)
            for before, after, pooling in zip(widths, widths[1:], POOLING, strict=False)
        )
        self.last = nn.Conv2d(self.channels, self.channels, (height // HEIGHT_STRIDE, 2), bias=False)
        self.norm = nn.BatchNorm2d(self.channels)

    def forward(self, x: Tensor, widths: Tensor) -> Tensor:
        """Run them; where columns are padding, each sees zeros, as beyond the edge of an image."""
        for stage in self.stages:
            x, widths = stage(x, widths)
        return F.relu(self.norm(self.last(x))).squeeze(2).transpose(1, 2)


class Stage(nn.Module):
    """A 3x3 convolution, the norm, ReLU and pooling, with the columns that are padding set to 0."""

    def __init__(self, before: int, after: int, pooling: tuple[int, int] | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.pooling = pooling

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Map features, and how many columns of each image are not padding."""
        x = self.norm(self.conv(x))
        if self.pooling is not None:
            x = F.max_pool2d(x, self.pooling)
            widths = torch.div(widths, self.pooling[1], rounding_mode="floor")
        # ReLU and the maximum may change places; so it has less to do.
        return F.relu(x) * column_mask(widths, x), widths


class BiLSTM(nn.Module):
    """Two LSTMs, one from left to right and one that starts at the end of each text.

    (batch, steps, features) to (batch, steps, 2 hidden).
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.rightward = nn.LSTM(features, hidden, batch_first=True)
        self.leftward = nn.LSTM(features, hidden, batch_first=True)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """Run them; what stands behind `steps`, int64 (batch,), has no effect on what stands before."""
        place = torch.arange(x.shape[1], device=x.device)
        mirror = torch.where(place < steps[:, None], steps[:, None] - 1 - place, place)[..., None]
        leftward = self.leftward(x.gather(1, mirror.expand_as(x)))[0]
        rightward = self.rightward(x)[0]
        return torch.cat((rightward, leftward.gather(1, mirror.expand_as(leftward))), dim=-1)


def column_mask(widths: Tensor, x: Tensor) -> Tensor:
    """Return 1 for the first `widths` columns of each image of x, 0 for the others; (batch, 1, 1, width)."""
    columns = torch.arange(x.shape[-1], device=x.device)
    return (columns < widths[:, None]).to(x.dtype)[:, None, None]


def initialize(module: nn.Module) -> None:
    """Set the weights of a new layer so that what differs between images reaches the last one undiminished.

    An LSTM's outputs are far below 1 at first; the linear layers make up for it. With torch's own first
    weights there, CTC stays with the blank for more than twice as many steps.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight, gain=2)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LSTM):
        for name, parameter in module.named_parameters():
            for gate in parameter.detach().chunk(4):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                else:
                    nn.init.zeros_(gate)

"""The layers of CRNN: convolutions that reduce an image to one row, and a BiLSTM that skips padding.

Shi, Bai, Yao, TPAMI 2017, section 2 and table 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer_crnn.plugin import HEIGHT_STRIDE

CHANNELS = (64, 128, 256, 256, 512, 512)
"""Output channels of the 3x3 convolutions in the paper."""
POOLING = ((2, 2), (2, 2), None, (2, 1), None, (2, 1))
"""Max pooling after each of them, (rows, columns). The last two keep the columns: the steps of CTC."""


class Features(nn.Module):
    """The convolutions.

    Args:
        height: Height of the images, in pixels; a multiple of 16.
        divisor: The paper's numbers of channels are divided by it.
    """

    def __init__(self, height: int, divisor: int) -> None:
        super().__init__()
        channels = [1, *(count // divisor for count in CHANNELS)]
        self.channels = channels[-1]
        """Channels of the result."""
        self.stages = nn.ModuleList(
            Stage(channels_in, channels_out, pooling)
            for channels_in, channels_out, pooling in zip(channels, channels[1:], POOLING, strict=False)
        )
        # The kernel spans all remaining rows, so one row is left.
        self.last = nn.Conv2d(self.channels, self.channels, (height // HEIGHT_STRIDE, 2), bias=False)
        self.norm = nn.BatchNorm2d(self.channels)

    def forward(self, x: Tensor, widths: Tensor) -> Tensor:
        """Map images to a sequence of features.

        Before each convolution, padding columns are set to 0, as beyond the edge of an image: so padding
        does not change the result.

        Args:
            x: float, (batch, 1, height, width).
            widths: int64, (batch,): the number of columns of each image that are not padding.

        Returns:
            float, (batch, width / 4 - 1, channels).
        """
        for stage in self.stages:
            x, widths = stage(x, widths)
        return F.relu(self.norm(self.last(x))).squeeze(2).transpose(1, 2)


class Stage(nn.Module):
    """A 3x3 convolution, batch normalization, pooling and ReLU; padding columns are set to 0."""

    def __init__(self, channels_in: int, channels_out: int, pooling: tuple[int, int] | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        self.pooling = pooling

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new features and, for each image, the number of columns that are not padding."""
        x = self.norm(self.conv(x))
        if self.pooling is not None:
            x = F.max_pool2d(x, self.pooling)
            widths = torch.div(widths, self.pooling[1], rounding_mode="floor")
        # ReLU commutes with max pooling; after pooling it has fewer values to process.
        return F.relu(x) * column_mask(widths, x), widths


class BiLSTM(nn.Module):
    """Two LSTMs, one from left to right and one from right to left that starts at the end of each image.

    Equal to torch's bidirectional LSTM on packed sequences, but without packing, which needs the lengths
    on the CPU.

    Args:
        features: Features per step.
        hidden: Hidden units per direction.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.rightward = nn.LSTM(features, hidden, batch_first=True)
        self.leftward = nn.LSTM(features, hidden, batch_first=True)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """Run both LSTMs; padding steps do not change the others.

        Args:
            x: float, (batch, steps, features).
            steps: int64, (batch,): the number of steps of each image that are not padding.

        Returns:
            float, (batch, steps, 2 * hidden).
        """
        index = torch.arange(x.shape[1], device=x.device)
        # Reverse the steps of each image and leave its padding in place; the same index undoes it.
        mirrored = torch.where(index < steps[:, None], steps[:, None] - 1 - index, index)[..., None]
        leftward = self.leftward(x.gather(1, mirrored.expand_as(x)))[0]
        rightward = self.rightward(x)[0]
        return torch.cat((rightward, leftward.gather(1, mirrored.expand_as(leftward))), dim=-1)


def column_mask(widths: Tensor, x: Tensor) -> Tensor:
    """Return 1 for the first `widths` columns of each image and 0 for the others.

    Args:
        widths: int64, (batch,).
        x: (batch, channels, height, width); it sets the width, dtype and device.

    Returns:
        (batch, 1, 1, width), of x's dtype.
    """
    columns = torch.arange(x.shape[-1], device=x.device)
    return (columns < widths[:, None]).to(x.dtype)[:, None, None]


def initialize(module: nn.Module) -> None:
    """Initialize a layer so that differences between images reach the last layer undiminished.

    The outputs of a new LSTM are far below 1; a gain of 2 in the linear layers compensates for it. With
    torch's default initialization of the linear layers, CTC predicts only blanks for more than twice as
    many training steps.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight, gain=2)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LSTM):
        for name, parameter in module.named_parameters():
            # torch stacks the four gates; each is initialized as a matrix of its own.
            for gate in parameter.detach().chunk(4):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                else:
                    nn.init.zeros_(gate)

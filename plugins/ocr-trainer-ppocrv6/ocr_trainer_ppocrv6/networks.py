"""The published networks of PP-OCRv6, from normalized images to logits."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from ocr_trainer_ppocrv6.backbone import LCNet
from ocr_trainer_ppocrv6.layers import initialize
from ocr_trainer_ppocrv6.neck import Head, LargeKernelPyramid
from ocr_trainer_ppocrv6.plugin import ROW_STRIDE
from ocr_trainer_ppocrv6.sequence import SequenceEncoder
from ocr_trainer_ppocrv6.sizes import DetectorSize, RecognizerSize

BACKGROUND = -2.2
"""Logit of 0.1, the probability of text before training."""

Count = TypeVar("Count", int, Tensor)


def divided(width: Count, factor: int) -> Count:
    """Return a width divided by a factor, rounded up."""
    # Not -(-width // factor): torch's traced exporter rounds quotients of negative numbers towards zero.
    return (width + factor - 1) // factor


def steps_of(width: Count) -> Count:
    """Return the number of steps of an image of `width` columns; a step has two columns of features."""
    return divided(width, 4) // 2


class DetectorNetwork(nn.Module):
    """PP-LCNetV4, RepLKFPN and the DB head of the probability map."""

    def __init__(self, size: DetectorSize) -> None:
        super().__init__()
        self.backbone = LCNet(size.stem, size.stages)
        self.neck = LargeKernelPyramid(self.backbone.channels, size.neck, size.kernel)
        self.head = Head(size.neck)
        self.apply(initialize)
        # Most pixels are background, and the focal loss hardly corrects small errors.
        assert self.head.last.bias is not None
        nn.init.constant_(self.head.last.bias, BACKGROUND)

    def features(self, images: Tensor) -> Tensor:
        """Map normalized images, float (batch, 3, h, w), to features, (batch, channels, h / 4, w / 4)."""
        features: Tensor = self.neck(self.backbone(images))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Map normalized images, float (batch, 3, h, w), to logits, (batch, 1, h, w)."""
        logits: Tensor = self.head(self.features(images))
        return logits


class RecognizerNetwork(nn.Module):
    """PP-LCNetV4, a sequence encoder with attention, and a classifier for each step.

    Args:
        size: Size of the network.
        height: Height of the images in pixels; a multiple of 16.
        classes: Number of classes per step.
    """

    def __init__(self, size: RecognizerSize, height: int, classes: int) -> None:
        super().__init__()
        self.backbone = LCNet(size.stem, size.stages)
        pooling = (height // ROW_STRIDE, 2)
        channels_in = self.backbone.channels[-1]
        self.encoder = SequenceEncoder(channels_in, size.channels, size.depth, size.heads, pooling)
        self.head = nn.Linear(size.channels, classes)
        self.apply(initialize)

    def forward(self, images: Tensor, widths: Tensor) -> Tensor:
        """Return the logits of each step, float (batch, steps of the widest image, classes).

        Args:
            images: Normalized images, float (batch, 3, height, width), 0 in padding.
            widths: int64 (batch,), the columns of each image that are not padding.
        """
        # The stem halves the width twice, rounding up; the encoder halves it once more, rounding down.
        length = images.shape[3]
        half = column_mask(divided(widths, 2), divided(length, 2), images)
        quarter = column_mask(divided(widths, 4), divided(length, 4), images)
        steps = column_mask(steps_of(widths), steps_of(length), images)
        features = self.backbone(images, half, quarter)[-1]
        logits: Tensor = self.head(self.encoder(features, steps))
        return logits


def column_mask(counts: Tensor, length: int, like: Tensor) -> Tensor:
    """Return 1 for the first `counts` of `length` columns and 0 for the others: (batch, 1, 1, length)."""
    columns = torch.arange(length, device=like.device)
    return (columns < counts[:, None]).to(like.dtype)[:, None, None]


def normalize(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Map uint8 RGB images to BGR from -1 to 1, which the networks take; both (batch, 3, height, width)."""
    return images.flip(1).to(dtype) / 127.5 - 1

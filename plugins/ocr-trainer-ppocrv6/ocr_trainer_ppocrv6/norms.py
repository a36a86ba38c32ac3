"""Batch normalization whose statistics are folded into the convolutions before it."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn


class FoldedNorms(nn.Module):
    """A model that keeps the statistics of its batch normalizations in training if they are folded.

    Published weights have them folded into the convolutions: batch normalization adds what is left, a bias.
    With the statistics of batches instead, it would rescale all features at the first step, and what the
    weights know would be lost. Its weight and bias are trained.
    """

    folded: Tensor
    """bool, a scalar; a buffer, so that it goes with the weights into checkpoints and new runs."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all layers; folded normalizations stay in evaluation mode."""
        super().train(mode)
        if mode and bool(self.folded):
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

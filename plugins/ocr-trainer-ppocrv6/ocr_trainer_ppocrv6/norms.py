"""Batch normalization whose statistics are folded into the convolutions before it."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn


class FoldedNorms(nn.Module):
    """A model whose batch normalizations keep their statistics in training if they are folded.

    In published weights, the statistics are folded into the convolutions: a normalization has mean 0 and
    variance 1, and its weight and bias are trained. With batch statistics instead, it would rescale all
    features at the first step, and the knowledge in the weights would be lost.
    """

    folded: Tensor
    """bool scalar. It is a buffer, so that checkpoints and runs that start from them have it."""

    def register_folded(self, folded: bool) -> None:
        """Add the buffer `folded`. Call this once, after all layers are created."""
        self.register_buffer("folded", torch.tensor(folded))
        # Neither Lightning nor the loading of a checkpoint calls `train`.
        self.keep_statistics()
        self.register_load_state_dict_post_hook(_keep_statistics)  # type: ignore[no-untyped-call]

    def keep_statistics(self) -> None:
        """Put folded normalizations in evaluation mode."""
        if not self.folded.is_meta and bool(self.folded):
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all layers; folded normalizations stay in evaluation mode."""
        super().train(mode)
        self.keep_statistics()
        return self


def _keep_statistics(model: FoldedNorms, _: Any) -> None:
    # The buffer may have changed. Not a method: a copy of the model would call that of the original.
    model.keep_statistics()

"""Batch normalization whose statistics are folded into the convolutions before it.

Published weights are folded: normalization is left with a scale and a bias, and has mean 0 and variance 1. If
training continued from there, the statistics of the first batch would replace these and rescale all features:
what the weights know would be lost. With fixed statistics, nothing would take out the shift that an optimizer
gives to all weights of a kernel: one step of 1e-4 has the same effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist


class FoldedNorms(nn.Module):
    """A model that unfolds its batch normalizations before its first step of training.

    Each gets the statistics of the first batch, and the weight and bias with which it maps this batch, and
    every other image in evaluation, to what it did before.
    """

    folded: Tensor
    """bool, a scalar; a buffer, so that it goes with the weights into checkpoints and new runs."""

    def register_folded(self, folded: bool) -> None:
        """Add the buffer `folded`."""
        self.register_buffer("folded", torch.tensor(folded))
        self._to_unfold = folded
        self.register_load_state_dict_post_hook(_after_loading)  # type: ignore[no-untyped-call]

    def unfold(self, run: Callable[[], Any]) -> None:
        """Unfold the normalizations, unless that is done; those of frozen layers stay as they are.

        Args:
            run: Runs all layers of the model on a batch of training.
        """
        if not self._to_unfold:
            return
        self._to_unfold = False
        trained = (module for module in self.modules() if module.training)
        norms = [module for module in trained if isinstance(module, nn.BatchNorm2d)]
        hooks = [module.register_forward_pre_hook(_unfold) for module in norms]
        with torch.no_grad():
            for norm in norms:
                norm.eval()  # so that this run does not move the statistics
            run()
            self.folded.fill_(False)
        for norm, hook in zip(norms, hooks, strict=True):
            norm.train()
            hook.remove()


def _after_loading(model: FoldedNorms, _: Any) -> None:
    # On a GPU, asking the buffer at each step would wait for it.
    model._to_unfold = bool(model.folded)


def _unfold(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
    """Replace the statistics of a normalization by those of its input, and keep what it computes."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    (x,) = inputs
    mean = _over_ranks(x.float().mean((0, 2, 3)))
    variance = _over_ranks((x.float() - mean.view(-1, 1, 1)).square().mean((0, 2, 3)))
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    norm.bias.add_(scale * (mean - norm.running_mean))
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


def _over_ranks(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes: their models must stay the same."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value

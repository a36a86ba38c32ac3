"""The three parts of DBNet's loss, each a scalar over the whole batch.

Maps are float32, (batch, height, width); masks and targets hold 0 and 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-6
LEAST_NEGATIVES = 0.01
"""The share of the background learned at least. Without it a batch without text would teach nothing:
there, no negatives match the positives, and dice is flat. It takes effect below one text pixel in 300."""


def dice_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - 2 |P ∩ T| / (|P| + |T|) within the mask."""
    prediction, target = prediction * mask, target * mask
    return 1 - 2 * (prediction * target).sum() / (prediction.sum() + target.sum() + EPS)


def masked_l1_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the mean distance within the mask; 0 where the mask is empty."""
    return ((prediction - target).abs() * mask).sum() / (mask.sum() + EPS)


def balanced_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, negative_ratio: float) -> Tensor:
    """Return the mean cross entropy of all text pixels and the hardest of the background.

    Of the background the `negative_ratio` times as many pixels with the largest loss are taken,
    from anywhere in the batch (online hard negative mining).
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * mask
    positive = target * mask
    positives = int(positive.sum())
    available = int(mask.sum()) - positives
    wanted = max(int(positives * negative_ratio), int(available * LEAST_NEGATIVES), 1)
    negatives = min(wanted, available)
    hardest = torch.topk((loss * (1 - target)).flatten(), negatives, sorted=False).values
    return ((loss * positive).sum() + hardest.sum()) / (positives + negatives + EPS)

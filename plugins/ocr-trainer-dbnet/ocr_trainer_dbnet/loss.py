"""The three parts of DBNet's loss, each a scalar over the whole batch.

Liao et al., AAAI 2020, section "Optimization"; dice for the binary map as in the authors' code (MhLiao/DB).
Maps are float32, (batch, height, width); masks and targets are 0 or 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-6
MIN_NEGATIVES = 0.01
"""The smallest fraction of the background that is learned. Without it, a batch without text would have no
gradient: no positives means no negatives, and dice is flat. It matters below one text pixel in 300."""


def dice_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - 2 |P ∩ T| / (|P| + |T|) within the mask."""
    prediction, target = prediction * mask, target * mask
    return 1 - 2 * (prediction * target).sum() / (prediction.sum() + target.sum() + EPS)


def masked_l1_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference within the mask; 0 if the mask is empty."""
    return ((prediction - target).abs() * mask).sum() / (mask.sum() + EPS)


def balanced_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, negative_ratio: float) -> Tensor:
    """Return the mean cross entropy of all text pixels and the hardest background pixels.

    Online hard negative mining: of the background pixels of the whole batch, those with the largest loss
    count, `negative_ratio` times as many as there are text pixels.

    Args:
        logits: float32; the inputs of the sigmoid.
        target: 1 in text kernels, 0 elsewhere.
        mask: 1 where the map is learned.
        negative_ratio: Background pixels per text pixel; 3 in the paper.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * mask
    positive = target * mask
    positives = int(positive.sum())
    available = int(mask.sum()) - positives
    wanted = max(int(positives * negative_ratio), int(available * MIN_NEGATIVES), 1)
    negatives = min(wanted, available)
    # Text and masked-out pixels have loss 0 here, so they are chosen last.
    hardest = torch.topk((loss * (1 - target)).flatten(), negatives, sorted=False).values
    return ((loss * positive).sum() + hardest.sum()) / (positives + negatives + EPS)

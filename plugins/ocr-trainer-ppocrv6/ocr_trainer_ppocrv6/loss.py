"""The focal loss of the probability map, which PP-OCRv6 adds to the dice loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

EPS = 1e-6


def focal_loss(logits: Tensor, target: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """Return the mean focal loss over the pixels in the mask (Lin et al., ICCV 2017).

    Args:
        logits: float32 (batch, height, width), before the sigmoid.
        target: 1 in text kernels, 0 elsewhere.
        mask: 1 for pixels that count, 0 elsewhere.
        gamma: The exponent of the probability of the wrong class.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    # The probability of the wrong class.
    wrong = (target - logits.sigmoid()).abs()
    return (wrong**gamma * entropy * mask).sum() / (mask.sum() + EPS)

"""The orders in which a text is learned (permutation language modeling), and the context of each target.

A text of n characters has n + 1 targets: its characters and [E], the end. Each is predicted from the image
and a context: [B], the beginning, which all targets see, and the characters that come earlier in the
order. Bautista and Atienza, ECCV 2022, section 3.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -1
"""The class of targets that are not learned."""


def draw_orders(length: int, count: int, mirrored: bool) -> Tensor:
    """Draw distinct orders for a batch from torch's generator.

    Args:
        length: Length of the longest text. Shorter texts use the same orders; their padding is masked.
        count: Number of orders; even if `mirrored`. A short text has fewer.
        mirrored: Follow each order by its reverse.

    Returns:
        int64, (orders, length): the positions of the characters, first to last. The first order is left to
        right, the second, if any, right to left; for a length of 1 they are equal.
    """
    forward = torch.arange(length)
    orders = [forward, forward.flip(0)][:count]
    drawn = {tuple(order.tolist()) for order in orders}
    while len(orders) < min(count, math.factorial(length)):
        order = torch.randperm(length)
        if tuple(order.tolist()) not in drawn:
            new = [order, order.flip(0)] if mirrored else [order]
            drawn.update(tuple(o.tolist()) for o in new)
            orders += new
    return torch.stack(orders)


def visible_context(orders: Tensor) -> Tensor:
    """Return the mask of the context of each target in each order.

    [E] sees all characters, but none in the second order: decoding all characters at once has to find the
    end without them. In the other orders, [E] is not learned.

    Args:
        orders: int64, (orders, length), from `draw_orders`.

    Returns:
        bool, (orders, length + 1, length + 1): row i is the context of character i, the last row that of
        [E]; column 0 is [B], column 1 + j is character j.
    """
    ranks = orders.argsort(1)
    earlier = ranks[:, None, :] < ranks[:, :, None]
    end = torch.ones_like(earlier[:, :1])
    end[1:2] = False
    return F.pad(torch.cat([earlier, end], dim=1), (1, 0), value=True)


def order_targets(targets: Tensor, orders: int, end: int) -> Tensor:
    """Repeat the targets for each order; [E] is learned in the first two.

    Args:
        targets: int64, (batch, length + 1): classes; `IGNORED` after [E].
        orders: Number of orders.
        end: The class of [E].

    Returns:
        int64, (batch, orders, length + 1).
    """
    repeated = targets[:, None].repeat(1, orders, 1)
    repeated[:, 2:].masked_fill_(repeated[:, 2:] == end, IGNORED)
    return repeated

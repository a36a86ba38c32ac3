"""The orders in which a text is learned (permutation language modelling), and what each character sees.

A text of n characters has n + 1 targets, its characters and [E], the end; each is learned from the
image and from a context of tokens: [B], the beginning, which all see, and the characters that come
before it in an order of the characters. Section 3.2 of the paper.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -1
"""Stands where there is nothing to learn."""


def draw_orders(length: int, count: int, mirrored: bool) -> Tensor:
    """Draw the orders for a batch, from torch's generator; no order comes twice.

    Args:
        length: Of the longest text. Orders hold for shorter ones, too: what is behind their end is not seen.
        count: How many are wanted; even if `mirrored`. There may be fewer, as short texts have few.
        mirrored: Follow each order by its mirror image.

    Returns:
        int64, (orders, length): the places of the characters, first to last. The first order goes from the
        left, the second, if there is one, from the right; with a length of 1 they are equal.
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
    """Return what each target sees of the context in each order.

    Of the characters, [E] sees all, and in the second order none: reading all characters at once, it
    has to be found without them. In further orders it is not learned.

    Args:
        orders: int64, (orders, length), from `draw_orders`.

    Returns:
        bool, (orders, length + 1, length + 1): row i is what character i sees, the last row what [E] sees;
        column 0 is [B], column 1 + j is character j.
    """
    turns = orders.argsort(1)
    earlier = turns[:, None, :] < turns[:, :, None]
    end = torch.ones_like(earlier[:, :1])
    end[1:2] = False
    return F.pad(torch.cat([earlier, end], dim=1), (1, 0), value=True)


def order_targets(targets: Tensor, orders: int, end: int) -> Tensor:
    """Repeat the targets for each order; [E] is learned in the first two.

    Args:
        targets: int64, (batch, length + 1): classes, `IGNORED` behind [E].
        orders: How many there are.
        end: The class of [E].

    Returns:
        int64, (batch, orders, length + 1).
    """
    repeated = targets[:, None].repeat(1, orders, 1)
    repeated[:, 2:].masked_fill_(repeated[:, 2:] == end, IGNORED)
    return repeated

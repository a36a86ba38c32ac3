"""Learning rate schedules: functions of the optimizer step, and the torch scheduler that follows them."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Schedule = Callable[[int, int], float]
"""Maps the optimizer step, from 0, and the number of steps to the learning rate, relative to its peak."""


def linear(t: float) -> float:
    """Rise linearly from 0 to 1."""
    return t


def half_cosine(t: float) -> float:
    """Rise from 0 to 1 along half a cosine wave."""
    return (1 - math.cos(math.pi * t)) / 2


def with_warmup(
    warmup: float, decay: Callable[[float], float], rise: Callable[[float], float] = linear
) -> Schedule:
    """Return a schedule that warms up and then follows a decay.

    Args:
        warmup: The fraction of the steps in which the learning rate rises to its peak.
        decay: Maps the progress after the warmup, from 0 to 1, to the learning rate.
        rise: Maps the progress of the warmup, from 0 to 1, to the learning rate.
    """

    def schedule(step: int, steps: int) -> float:
        rising = round(warmup * steps)
        if step < rising:
            return rise((step + 1) / (rising + 1))
        return decay(min(1.0, (step - rising) / max(1, steps - rising)))

    return schedule


def make_scheduler(optimizer: Optimizer, schedule: Schedule, steps: float) -> LambdaLR:
    """Return torch's scheduler over a number of steps. If it is infinite, the learning rate is constant."""
    if math.isinf(steps):
        return LambdaLR(optimizer, lambda step: 1.0)
    return LambdaLR(optimizer, lambda step: schedule(step, int(steps)))

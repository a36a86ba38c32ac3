"""Learning rate schedules from the configuration."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ocr_trainer.config.schema import ScheduleConfig, ScheduleName


def factor(step: int, steps: int, config: ScheduleConfig) -> float:
    """Return the factor of the learning rate at a step, relative to the peak learning rate.

    Args:
        step: The optimizer step, from 0.
        steps: The total number of optimizer steps.
        config: The schedule. After warmup, `poly` is (1 - t) ** power, and `cosine` falls along half a
            cosine wave. `one_cycle` also rises along one (Smith and Topin 2018, but momentum is constant).
    """
    warmup = round(config.warmup * steps)
    if step < warmup:
        rise = (step + 1) / (warmup + 1)
        return (1 - math.cos(math.pi * rise)) / 2 if config.name is ScheduleName.one_cycle else rise
    t = min(1.0, (step - warmup) / max(1, steps - warmup))
    if config.name is ScheduleName.constant:
        return 1.0
    if config.name is ScheduleName.poly:
        return float((1 - t) ** config.power)
    return config.final + (1 - config.final) * (1 + math.cos(math.pi * t)) / 2


def make_scheduler(optimizer: Optimizer, config: ScheduleConfig, steps: float) -> LambdaLR:
    """Return the schedule over a number of steps. If it is infinite, the learning rate is constant."""
    if math.isinf(steps):
        return LambdaLR(optimizer, lambda step: 1.0)
    return LambdaLR(optimizer, lambda step: factor(step, int(steps), config))

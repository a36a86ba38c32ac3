"""The learning rate schedule WSD: warmup, stable, decay."""

from __future__ import annotations

import math
from collections.abc import Callable

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: 1 - t,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "sqrt": lambda t: 1 - math.sqrt(t),
}
"""How far the learning rate is above its final value, by the share t of the decay that is over."""


def wsd_factor(step: int, steps: int, warmup: float, decay: float, shape: str, final: float) -> float:
    """Return the factor of the learning rate at a step of WSD (Hu et al., MiniCPM, 2024).

    It rises linearly, stays at 1, and decays in the last part of the run. `1 - sqrt` is the decay that Hägele
    et al. (2024) found to be the best.

    Args:
        step: The optimizer step, from 0.
        steps: The total number of optimizer steps.
        warmup: The share of the steps in which it rises.
        decay: The share of the steps in which it decays.
        shape: A key of `SHAPES`.
        final: The factor at the end.
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    falling = min(round(decay * steps), steps - rising)
    begin = steps - falling
    if step <= begin or not falling:
        return 1.0
    return final + (1 - final) * SHAPES[shape](min(1.0, (step - begin) / falling))

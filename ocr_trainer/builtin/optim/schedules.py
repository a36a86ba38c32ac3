"""The built-in learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

from ocr_trainer.builtin.optim.plugin import CosineConfig, Decay, PolyConfig, WSDConfig
from ocr_trainer.optim.schedule import Schedule, half_cosine, with_warmup
from ocr_trainer.plugin import Context, ScheduleConfig


def constant(config: ScheduleConfig, _context: Context) -> Schedule:
    """Return a schedule that stays at the peak."""
    return with_warmup(config.warmup, lambda t: 1.0)


def poly(config: PolyConfig, _context: Context) -> Schedule:
    """Return polynomial decay."""
    return with_warmup(config.warmup, lambda t: float((1 - t) ** config.power))


def cosine(config: CosineConfig, _context: Context) -> Schedule:
    """Return decay along half a cosine wave."""
    return with_warmup(config.warmup, lambda t: _cosine_decay(t, config.final))


def one_cycle(config: CosineConfig, _context: Context) -> Schedule:
    """Return a rise and a decay along half a cosine wave each."""
    return with_warmup(config.warmup, lambda t: _cosine_decay(t, config.final), rise=half_cosine)


def wsd(config: WSDConfig, _context: Context) -> Schedule:
    """Return a stable peak and a decay at the end."""
    share, shape = config.decay / (1 - config.warmup), DECAYS[config.shape]

    def decay(t: float) -> float:
        late = max(0.0, t - (1 - share)) / share
        return config.final + (1 - config.final) * shape(min(1.0, late))

    return with_warmup(config.warmup, decay)


def _cosine_decay(t: float, final: float) -> float:
    return final + (1 - final) * (1 + math.cos(math.pi * t)) / 2


DECAYS: dict[Decay, Callable[[float], float]] = {
    Decay.linear: lambda t: 1 - t,
    Decay.cosine: lambda t: _cosine_decay(t, 0.0),
    Decay.sqrt: lambda t: 1 - math.sqrt(t),
}

"""Descriptions of the built-in optimizers and learning rate schedules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import OptimizerConfig, OptimizerPlugin, ScheduleConfig, SchedulePlugin, option


@dataclass
class SGDConfig(OptimizerConfig):
    """Stochastic gradient descent; the defaults are the settings of the DBNet authors."""

    lr: float = option(0.007, above=0)
    """Peak learning rate."""
    weight_decay: float = option(1e-4, at_least=0)
    """Weight decay."""
    momentum: float = option(0.9, at_least=0, below=1)
    """Momentum."""


sgd = OptimizerPlugin(
    api=1,
    summary="stochastic gradient descent with momentum",
    config=SGDConfig,
    factory="ocr_trainer.builtin.optim.optimizers:sgd",
)


@dataclass
class AdamWConfig(OptimizerConfig):
    """AdamW, with weight decay decoupled from the gradient (Loshchilov and Hutter 2019)."""

    momentum: float = option(0.9, at_least=0, below=1)
    """First beta."""


adamw = OptimizerPlugin(
    api=1,
    summary="Adam with decoupled weight decay",
    config=AdamWConfig,
    factory="ocr_trainer.builtin.optim.optimizers:adamw",
)


@dataclass
class AdamConfig(AdamWConfig):
    """Adam (Kingma and Ba 2015)."""

    weight_decay: float = option(0.0, at_least=0)
    """Weight decay."""


adam = OptimizerPlugin(
    api=1,
    summary="Adam",
    config=AdamConfig,
    factory="ocr_trainer.builtin.optim.optimizers:adam",
)

constant = SchedulePlugin(
    api=1,
    summary="the peak learning rate after the warmup",
    config=ScheduleConfig,
    factory="ocr_trainer.builtin.optim.schedules:constant",
    endless=True,
)


@dataclass
class PolyConfig(ScheduleConfig):
    """Polynomial decay: (1 - t) ** power."""

    power: float = option(0.9, above=0)
    """Exponent."""


poly = SchedulePlugin(
    api=1,
    summary="polynomial decay to 0",
    config=PolyConfig,
    factory="ocr_trainer.builtin.optim.schedules:poly",
)


@dataclass
class CosineConfig(ScheduleConfig):
    """Decay along half a cosine wave."""

    final: float = option(0.0, at_least=0, at_most=1)
    """Final learning rate, as a fraction of the peak."""


cosine = SchedulePlugin(
    api=1,
    summary="decay along half a cosine wave",
    config=CosineConfig,
    factory="ocr_trainer.builtin.optim.schedules:cosine",
)


@dataclass
class OneCycleConfig(CosineConfig):
    """One cycle (Smith and Topin 2018), with constant momentum."""

    warmup: float = option(0.3, at_least=0, below=1)
    """Fraction of the run's steps in which the learning rate rises to its peak, along a cosine."""


one_cycle = SchedulePlugin(
    api=1,
    summary="rise and decay along half a cosine wave each",
    config=OneCycleConfig,
    factory="ocr_trainer.builtin.optim.schedules:one_cycle",
)


class Decay(Enum):
    """How a learning rate decays; t is the progress of the decay, from 0 to 1."""

    linear = "linear"
    """1 - t."""
    cosine = "cosine"
    """Half a cosine wave."""
    sqrt = "sqrt"
    """1 - sqrt(t)."""


@dataclass
class WSDConfig(CosineConfig):
    """Warmup, stable, decay (Hu et al., MiniCPM, 2024): most of the run has the peak learning rate."""

    decay: float = option(0.2, above=0, at_most=1)
    """Fraction of the run's steps in which the learning rate decays."""
    shape: Decay = Decay.sqrt
    """How it decays: linear, cosine, or 1 - sqrt, which Hägele et al. (2024) found to be the best."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        if self.warmup + self.decay > 1:
            yield f"warmup={self.warmup:g} and decay={self.decay:g} are more than the whole run"


wsd = SchedulePlugin(
    api=1,
    summary="warmup, a stable peak, and a decay at the end",
    config=WSDConfig,
    factory="ocr_trainer.builtin.optim.schedules:wsd",
)

"""Optimisers, learning-rate schedules and the average of weights, from the configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ocr_trainer.config.schema import EmaConfig, OptimizerConfig, OptimizerName, ScheduleConfig, ScheduleName


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return the optimiser; norms and biases (parameters of one dimension) decay only if asked to."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in parameters if p.ndim > 1 or config.decay_norms]
    others = [p for p in parameters if p.ndim <= 1 and not config.decay_norms]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.name is OptimizerName.sgd:
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    algorithm = torch.optim.AdamW if config.name is OptimizerName.adamw else torch.optim.Adam
    return algorithm(groups, lr=config.lr, betas=(config.momentum, 0.999))


def factor(step: int, steps: int, config: ScheduleConfig) -> float:
    """Return what the learning rate is multiplied by at a step.

    Args:
        step: The optimiser's step, from 0.
        steps: How many there will be.
        config: The curve. `poly` is (1 - t) ** power, `cosine` goes down along half a wave, `one_cycle`
            goes up along one, too (Smith and Topin 2018, without the momentum's cycle).
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
    """Return the schedule over so many steps (infinite where nothing bounds them: constant, then)."""
    if math.isinf(steps):
        return LambdaLR(optimizer, lambda step: 1.0)
    return LambdaLR(optimizer, lambda step: factor(step, int(steps), config))


class WeightEma(WeightAveraging):
    """An exponential moving average whose decay rises with the steps taken: min(decay, (1 + n) / (10 + n)).

    The rising decay is TensorFlow's `ExponentialMovingAverage(num_updates=...)`.
    """

    def __init__(self, config: EmaConfig) -> None:
        """Average all parameters and buffers with one fused update per step."""

        def update(averages: Sequence[Tensor], values: Sequence[Tensor], taken: Tensor | int) -> None:
            decay = min(config.decay, (1 + int(taken)) / (10 + int(taken)))
            # torch calls this once per dtype; counters such as BatchNorm's are integers.
            if averages[0].is_floating_point():
                torch._foreach_lerp_(list(averages), list(values), 1 - decay)
            else:
                torch._foreach_copy_(list(averages), list(values))

        super().__init__(use_buffers=True, multi_avg_fn=update)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the average when training goes on; when testing, what counts is the average itself."""
        if trainer.state.fn is TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

"""Build the optimizer and the learning rate schedule of a run from their plugins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ocr_trainer.optim.schedule import Schedule
from ocr_trainer.plugin import Context, Kind, OptimizerConfig, ScheduleConfig
from ocr_trainer.plugin.build import build


def parameter_groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Return the groups of a model's trainable parameters.

    Parameters with fewer than two dimensions (norms and biases) have weight decay only with
    `optimizer.decay_norms`.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in parameters if p.ndim > 1 or config.decay_norms]
    others = [p for p in parameters if p.ndim <= 1 and not config.decay_norms]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]  # torch refuses an empty group


def make_optimizer(model: nn.Module, config: OptimizerConfig, context: Context) -> Optimizer:
    """Return the optimizer of a model.

    Raises:
        PluginBroken: The plugin cannot be imported, or returns no optimizer.
    """
    groups = parameter_groups(model, config)
    optimizer: Optimizer = build(Kind.optimizer, config, replace(context, parameter_groups=groups))
    return optimizer


def make_schedule(config: ScheduleConfig, context: Context) -> Schedule:
    """Return the learning rate schedule.

    Raises:
        PluginBroken: The plugin cannot be imported, or returns no function.
    """
    schedule: Schedule = build(Kind.schedule, config, context)
    return schedule

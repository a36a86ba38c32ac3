"""Build an optimizer from the configuration."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ocr_trainer.config.schema import OptimizerConfig, OptimizerName


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return the optimizer of a model.

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
    groups = [group for group in groups if group["params"]]  # torch refuses an empty group
    if config.name is OptimizerName.sgd:
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    algorithm = torch.optim.AdamW if config.name is OptimizerName.adamw else torch.optim.Adam
    return algorithm(groups, lr=config.lr, betas=(config.momentum, 0.999))

"""The optimizers of torch."""

from __future__ import annotations

import torch
from torch.optim import Optimizer

from ocr_trainer.builtin.optim.plugin import AdamWConfig, SGDConfig
from ocr_trainer.plugin import Context


def sgd(config: SGDConfig, context: Context) -> Optimizer:
    """Return `torch.optim.SGD`."""
    return torch.optim.SGD(context.parameter_groups, lr=config.lr, momentum=config.momentum)


def adam(config: AdamWConfig, context: Context) -> Optimizer:
    """Return `torch.optim.Adam`."""
    return torch.optim.Adam(context.parameter_groups, lr=config.lr, betas=(config.momentum, 0.999))


def adamw(config: AdamWConfig, context: Context) -> Optimizer:
    """Return `torch.optim.AdamW`."""
    return torch.optim.AdamW(context.parameter_groups, lr=config.lr, betas=(config.momentum, 0.999))

"""Build Lion."""

from __future__ import annotations

from pytorch_optimizer import Lion

from ocr_trainer.plugin import Context
from ocr_trainer_optimizers.plugin import LionConfig


def make(config: LionConfig, context: Context) -> Lion:
    """Return Lion for the run's parameter groups."""
    return Lion(context.parameter_groups, lr=config.lr, betas=(config.beta1, config.beta2))

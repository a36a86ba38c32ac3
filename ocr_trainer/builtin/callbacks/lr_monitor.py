"""The callback `lr_monitor`: the learning rate of every parameter group, for the loggers."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LearningRateMonitor

from ocr_trainer.builtin.callbacks.plugin import LRMonitorConfig
from ocr_trainer.plugin import Context


class LRMonitor(LearningRateMonitor):
    """Lightning's `LearningRateMonitor`, which also works where there are no loggers.

    That is in all processes but the first, and in runs with `logger=[]`: there it does nothing.
    """

    def on_train_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Find the names of the groups."""
        if trainer.loggers:
            super().on_train_start(trainer, *args, **kwargs)

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Log the rates every `trainer.log_every_n_steps` steps."""
        if trainer.loggers:
            super().on_train_batch_start(trainer, *args, **kwargs)

    def on_train_epoch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Log the rates of schedules that change once per epoch."""
        if trainer.loggers:
            super().on_train_epoch_start(trainer, *args, **kwargs)


def make(config: LRMonitorConfig, context: Context) -> LRMonitor:
    """Return the callback."""
    return LRMonitor(log_momentum=config.momentum, log_weight_decay=config.weight_decay)

"""Exponential moving average (EMA) of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ocr_trainer.config.schema import EmaConfig
from ocr_trainer.internals.torch import copy_all, lerp_all


class WeightEma(WeightAveraging):
    """Maintains an exponential moving average of the weights, with decay min(decay, (1 + n) / (10 + n)).

    n is the number of optimizer steps. The rising decay is that of TensorFlow's
    `ExponentialMovingAverage(num_updates=...)`: early averages would otherwise keep the initial weights.
    """

    def __init__(self, config: EmaConfig) -> None:
        """Average all parameters and buffers with one fused update per step."""

        def update(averages: Sequence[Tensor], values: Sequence[Tensor], taken: Tensor | int) -> None:
            decay = min(config.decay, (1 + int(taken)) / (10 + int(taken)))
            # torch calls this once per dtype; counters such as BatchNorm's are integers.
            if averages[0].is_floating_point():
                lerp_all(averages, values, 1 - decay)
            else:
                copy_all(averages, values)

        super().__init__(use_buffers=True, multi_avg_fn=update)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the average when training resumes."""
        # For a test, the checkpoint's weights are the average already: Lightning's callback would swap them
        # back for the weights that training continues with.
        if trainer.state.fn is TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

"""An exponential moving average (EMA) of the weights."""

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
    """An exponential moving average whose decay rises with the steps taken: min(decay, (1 + n) / (10 + n)).

    The rising decay is TensorFlow's `ExponentialMovingAverage(num_updates=...)`.
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
        """Go on with the average when training goes on; when testing, what counts is the average itself."""
        if trainer.state.fn is TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

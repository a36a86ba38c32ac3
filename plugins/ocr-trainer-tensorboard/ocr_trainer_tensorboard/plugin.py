"""Description and options of the `tensorboard` logger."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import LoggerConfig, LoggerPlugin, option


@dataclass
class TensorBoardConfig(LoggerConfig):
    """The options at `logger.tensorboard`."""

    flush_secs: int = option(30, at_least=1)
    """Longest time in seconds until logged data is on disk."""
    max_images: int = option(8, at_least=0)
    """Images kept per set; 0 keeps none."""


tensorboard = LoggerPlugin(
    api=1,
    summary="TensorBoard event files: scalars, hyperparameters, images",
    config=TensorBoardConfig,
    factory="ocr_trainer_tensorboard.logger:factory",
)

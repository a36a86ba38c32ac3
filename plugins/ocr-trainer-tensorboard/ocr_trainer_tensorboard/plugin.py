"""What the `tensorboard` logger is and can be told."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import LoggerConfig, LoggerPlugin, option


@dataclass
class TensorBoardConfig(LoggerConfig):
    """The options at `logger.tensorboard`."""

    flush_secs: int = option(30, at_least=1)
    """Seconds until what was logged is on disk, at the latest."""
    max_images: int = option(8, at_least=0)
    """Pictures kept of each set of pictures; 0 keeps none."""


tensorboard = LoggerPlugin(
    api=1,
    summary="TensorBoard event files: scalars, hyper-parameters, pictures",
    config=TensorBoardConfig,
    factory="ocr_trainer_tensorboard.logger:factory",
)

"""The names of the kinds of plugins. Listing the installed plugins needs only these."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """The kinds of plugins. `ocr_trainer.plugin.kinds` declares what each of them is."""

    model = "model"
    dataset = "dataset"
    logger = "logger"
    optimizer = "optimizer"
    schedule = "schedule"
    augmentation = "augmentation"
    callback = "callback"
    backbone = "backbone"
    metric = "metric"
    writer = "writer"
    exporter = "exporter"
    command = "command"
    configs = "configs"
    task = "task"

    @property
    def entry_points(self) -> str:
        """The entry-point group that plugins of this kind register in."""
        return f"ocr_trainer.{self.value.removesuffix('s')}s"

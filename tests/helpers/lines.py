"""A training of milliseconds, and a logger that fails."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


class Line(pl.LightningModule):
    """Learns one number; its figures are the same in every run."""

    def __init__(self, fails_at: int | None = None, figures: int = 0):
        super().__init__()
        self.figures = figures
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.fails_at = fails_at

    def training_step(self, batch, index):
        if self.global_step == self.fails_at:
            raise ZeroDivisionError("of the training")
        for logger in self.loggers:
            if hasattr(logger, "log_image"):
                logger.log_image("train/pictures", [PICTURE], step=self.global_step, caption=["a"])
        loss = (self.weight - batch.mean()) ** 2
        self.log_dict({"train/loss": loss} | {f"train/{n}": loss / (n + 1) for n in range(self.figures)})
        return loss

    def validation_step(self, batch, index):
        self.log("val/weight", self.weight)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(model: Line, loggers: list[Logger], steps: int, *callbacks: Callback, start: Path | None = None):
    trainer = pl.Trainer(
        max_steps=steps,
        log_every_n_steps=1,
        val_check_interval=2,
        num_sanity_val_steps=0,
        logger=loggers,
        callbacks=list(callbacks),
        accelerator="cpu",
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = torch.utils.data.DataLoader(torch.full((10,), 3.0))
    trainer.fit(model, data, torch.utils.data.DataLoader(torch.zeros(2)), ckpt_path=start, weights_only=True)
    return trainer


class Faulty(Logger):
    """Raises in one place."""

    PLACES = (
        *("name", "version", "save_dir", "experiment", "log_metrics", "log_hyperparams", "log_image"),
        *("save", "finalize", "close", "after_save_checkpoint"),
    )

    def __init__(self, place: str):
        super().__init__()
        self.place = place
        self.asked: list[str] = []

    def _meet(self, place: str) -> None:
        self.asked.append(place)
        if place == self.place:
            raise OSError(f"of {place}\nand more")

    name = property(lambda self: self._meet("name"))
    version = property(lambda self: self._meet("version"))
    save_dir = property(lambda self: self._meet("save_dir"))
    experiment = property(lambda self: self._meet("experiment"))

    def log_metrics(self, metrics, step=None):
        self._meet("log_metrics")

    def log_hyperparams(self, params, *args, **kwargs):
        self._meet("log_hyperparams")

    def log_image(self, key, images, step=None, caption=None):
        self._meet("log_image")

    def save(self):
        self._meet("save")

    def finalize(self, status):
        self._meet("finalize")

    def close(self):
        self._meet("close")

    def after_save_checkpoint(self, checkpoint_callback):
        self._meet("after_save_checkpoint")

"""Training progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBar

from ocr_trainer_runtime.text.visible import visible

INTERVAL = 10.0
"""Seconds between plain lines."""


class Progress(ProgressBar):
    """Shows epoch, step, loss, images per second and the remaining time."""

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True
        self.console = Console()
        self.bar: RichBar | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether lines are printed. Lightning reads this."""
        return self.enabled

    def disable(self) -> None:
        """Print nothing. Lightning calls this in all processes but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Print again."""
        self.enabled = True

    def print(self, *words: Any, **_: Any) -> None:
        """Print a line above the bar."""
        if self.enabled:
            self.console.print(
                *(visible(str(word)) for word in words), markup=False, highlight=False, soft_wrap=True
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the timer and the bar."""
        self.start = self.last_line = time.perf_counter()
        self.first_step = trainer.global_step
        self.batches = self.images = 0
        if self.enabled and self.console.is_terminal:
            self.bar = RichBar(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self.console,
            )
            total = trainer.estimated_stepping_batches
            self.row = self.bar.add_task("training", total=None if math.isinf(total) else total)
            self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the bar, or print a line every `INTERVAL` seconds."""
        self.images += len(batch)
        now = time.perf_counter()
        if self.bar is not None:
            self.bar.update(self.row, completed=trainer.global_step, description=self._line(trainer))
        elif self.enabled and now - self.last_line >= INTERVAL:
            self.last_line = now
            self.print(f"{self._line(trainer)}, {self._time_left(trainer, now)}")

    def _line(self, trainer: Trainer) -> str:
        loss = trainer.callback_metrics.get("train/loss", math.nan)
        rate = self.images / (time.perf_counter() - self.start)
        epochs = f"/{trainer.max_epochs}" if (trainer.max_epochs or -1) > 0 else ""
        return (
            f"epoch {trainer.current_epoch + 1}{epochs}, step {trainer.global_step}, "
            f"loss {float(loss):.4f}, {rate:.1f} images/s"
        )

    def _time_left(self, trainer: Trainer, now: float) -> str:
        done, total = trainer.global_step - self.first_step, trainer.estimated_stepping_batches
        if not done or math.isinf(total):
            return "time left unknown"
        seconds = max(0, round((now - self.start) / done * (total - trainer.global_step)))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the scores."""
        if trainer.sanity_checking or not self.enabled:
            return
        headline = getattr(pl_module, "headline", ())
        scores = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/") and (not headline or name.removeprefix("val/") in headline)
        }
        listed = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self.print(f"epoch {trainer.current_epoch + 1}, step {trainer.global_step}: {listed}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove the bar, so that the error message is readable."""
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
            sys.stdout.flush()

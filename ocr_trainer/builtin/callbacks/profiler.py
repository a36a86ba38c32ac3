"""The callback `profiler`: what a few training steps spend their time on, by torch.profiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.profiler import ProfilerActivity, profile, schedule

from ocr_trainer.builtin.callbacks.plugin import ProfilerConfig
from ocr_trainer.plugin import Context

ROWS = 50
"""How many operators the table lists."""


class Profiler(Callback):
    """Profiles a window of training batches once, in the first process.

    It writes `profiler/operators.txt`, a table of the operators that take the most time, and
    `profiler/trace.json` for Perfetto or chrome://tracing to the run directory.

    Args:
        config: Which batches, and what to record.
        context: Names the run directory.
    """

    def __init__(self, config: ProfilerConfig, context: Context) -> None:
        self.config, self.folder = config, context.folder / "profiler"
        self._batches = 0
        self._profile: profile | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Start before the first batch of the window, and one batch earlier to warm the profiler up."""
        if self._batches == self.config.start and trainer.is_global_zero:
            self._profile = self._make()
            self._profile.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Count the batch. After the last one of the window, write the report."""
        self._batches += 1
        if self._profile is None:
            return
        self._profile.step()
        if self._batches == self.config.start + 1 + self.config.batches:
            self._stop()
            pl_module.print(f"profile of {self.config.batches} batches: {self.folder}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop an unfinished profile."""
        self._stop()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a profile whose window is longer than the run; what there is of it is written."""
        self._stop()

    def _make(self) -> profile:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        return profile(
            activities=activities,
            schedule=schedule(wait=0, warmup=1, active=self.config.batches, repeat=1),
            on_trace_ready=self._write,
            record_shapes=self.config.shapes,
            profile_memory=self.config.memory,
        )

    def _stop(self) -> None:
        if self._profile is not None:
            self._profile.stop()
            self._profile = None

    def _write(self, done: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        on_gpu = ProfilerActivity.CUDA in done.activities
        by = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
        averages = done.key_averages(group_by_input_shape=self.config.shapes)
        _replace(self.folder / "operators.txt", averages.table(sort_by=by, row_limit=ROWS))
        done.export_chrome_trace(str(self.folder / "trace.json"))


def _replace(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

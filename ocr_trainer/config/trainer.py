"""Typed options of `lightning.pytorch.Trainer`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocr_trainer.plugin import Options, option

PRECISIONS = (
    *("32", "64", "16", "bf16", "32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"),
    *("transformer-engine", "transformer-engine-float16"),
)
"""Precisions that Lightning supports."""
PROFILERS = ("simple", "advanced", "pytorch")
"""Lightning's profilers that write a report."""
TIME = r"\d+:\d\d:\d\d:\d\d"
"""The form of a duration."""
LOST = re.compile(r"ddp_(spawn|fork|notebook)(_find_unused_parameters_(true|false))?")
"""Strategies that train in processes whose results are lost when training ends."""


@dataclass
class TrainerConfig(Options):
    """Options of `lightning.pytorch.Trainer`, under Lightning's names."""

    accelerator: str = "auto"
    """cpu, gpu, tpu, hpu, mps or auto."""
    strategy: str = "auto"
    """Strategy for several devices: auto, ddp, fsdp, …"""
    devices: Any = 1
    """Number of devices, a list of devices, or auto for all available devices."""
    num_nodes: int = option(1, at_least=1)
    """Number of machines."""
    precision: str | None = None
    """32-true, bf16-mixed, 16-mixed, …"""
    fast_dev_run: int | bool = False
    """Run this many batches of training, validation and test, as a check."""
    max_epochs: int | None = option(10, at_least=-1)
    """Maximum number of epochs; -1 for no limit."""
    min_epochs: int | None = option(None, at_least=0)
    """Minimum number of epochs."""
    max_steps: int = option(-1, at_least=-1)
    """Maximum number of optimizer steps; -1 for no limit."""
    min_steps: int | None = option(None, at_least=0)
    """Minimum number of optimizer steps."""
    max_time: Any = None
    """Maximum duration of training: DD:HH:MM:SS."""
    limit_train_batches: int | float | None = option(None, at_least=0)
    """Batches per epoch; a float is a fraction of all batches."""
    limit_val_batches: int | float | None = option(None, at_least=0)
    """The same for validation; 0 turns it off."""
    limit_test_batches: int | float | None = option(None, at_least=0)
    """The same for the test; 0 turns it off."""
    limit_predict_batches: int | float | None = option(None, at_least=0)
    """Leave this unset: `predict` reads the images that it is given."""
    overfit_batches: int | float = option(0.0, at_least=0)
    """Train and validate on the same few batches; a float is a fraction of all batches."""
    val_check_interval: Any = None
    """Validate every this many batches; a float is a fraction of an epoch."""
    check_val_every_n_epoch: int | None = option(1, at_least=1)
    """Validate every this many epochs."""
    num_sanity_val_steps: int | None = option(0, at_least=-1)
    """Validation batches to run before training."""
    log_every_n_steps: int | None = option(10, at_least=0)
    """Log losses every this many steps."""
    enable_checkpointing: bool | None = None
    """Write checkpoints."""
    enable_progress_bar: bool | None = None
    """Show the progress bar."""
    enable_model_summary: bool | None = False
    """Print a table of the model's modules."""
    accumulate_grad_batches: int = option(1, at_least=1)
    """Accumulate the gradients of this many batches before each step."""
    gradient_clip_val: int | float | None = option(None, at_least=0)
    """Value to clip gradients to."""
    gradient_clip_algorithm: str | None = None
    """Clip by norm or value."""
    deterministic: Any = None
    """true, false or warn."""
    benchmark: bool | None = None
    """Let cuDNN search for the fastest algorithm."""
    inference_mode: bool = True
    """Evaluate under torch.inference_mode."""
    use_distributed_sampler: bool = False
    """Leave this off: ocr-trainer already shards the data, and Lightning's sampler would replace its own."""
    profiler: str | None = None
    """simple, advanced or pytorch: write Lightning's profile to `profiler/` of the run directory."""
    detect_anomaly: bool = False
    """Stop at the first operation that produces NaN (slow)."""
    barebones: bool = False
    """Turn off all features that slow down training."""
    sync_batchnorm: bool = False
    """Synchronize batch normalization across devices."""
    reload_dataloaders_every_n_epochs: int = option(0, at_least=0)
    """Recreate the data loaders every this many epochs."""
    enable_autolog_hparams: bool = True
    """Log hyperparameters at the start."""
    model_registry: str | None = None
    """Leave this unset: ocr-trainer keeps its checkpoints in the run directory."""

    @property
    def endless(self) -> bool:
        """Whether the number of steps is unlimited; `max_time` may still end the run."""
        return self.max_steps == -1 and self.max_epochs in (None, -1)

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        limits = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches")
        for name in (*limits, "overfit_batches"):
            value = getattr(self, name)
            if isinstance(value, float) and value > 1:
                yield f"{name} must be a fraction up to 1.0 or an integer number of batches, not {value:g}"
        if str(self.precision) not in ("None", *PRECISIONS):
            yield f"precision={self.precision} is not supported; choose one of: {', '.join(PRECISIONS)}"
        if self.gradient_clip_algorithm not in (None, "norm", "value"):
            yield f"gradient_clip_algorithm={self.gradient_clip_algorithm} must be norm or value"
        if isinstance(self.max_time, str) and not re.fullmatch(TIME, self.max_time):
            yield f"max_time={self.max_time} must have the form DD:HH:MM:SS"
        yield from self._contradictions()
        yield from self._interval_errors()
        if self.endless and not self.max_time:
            yield "training never ends: set trainer.max_epochs, trainer.max_steps or trainer.max_time"

    def _contradictions(self) -> Iterator[str]:
        """Yield options that contradict each other, or that have no effect."""
        for unit in ("epochs", "steps"):
            least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and most not in (None, -1) and least > most:
                yield f"min_{unit}={least} is more than max_{unit}={most}"
        if self.deterministic not in (None, True, False, "warn"):
            yield f"deterministic={self.deterministic} must be true, false or warn"
        elif self.deterministic and self.benchmark:
            yield (
                "benchmark=true lets cuDNN choose algorithms by their speed, which contradicts "
                f"deterministic={str(self.deterministic).lower()}: set one of them"
            )
        if self.gradient_clip_algorithm and self.gradient_clip_val is None:
            yield "gradient_clip_algorithm has no effect without gradient_clip_val"
        if self.profiler is not None and self.profiler.lower() not in PROFILERS:
            yield f"profiler={self.profiler} must be one of: {', '.join(PROFILERS)}"
        if LOST.fullmatch(self.strategy):
            yield (
                f"strategy={self.strategy} trains in processes whose results are lost when training ends: "
                "use strategy=ddp"
            )
        if self.limit_predict_batches is not None:
            yield "limit_predict_batches has no effect: ocr-train predict reads the images that it is given"
        if self.model_registry is not None:
            yield "model_registry has no effect: ocr-trainer keeps its checkpoints in the run directory"

    def _interval_errors(self) -> Iterator[str]:
        """Yield why the interval of validation is impossible, whatever the data."""
        interval = self.val_check_interval
        is_time = isinstance(interval, str) and re.fullmatch(TIME, interval)
        if interval is None or is_time:
            return
        key = f"val_check_interval={interval}"
        if isinstance(interval, bool) or not isinstance(interval, int | float):
            yield f"{key} must be a number of batches, a fraction of an epoch, or a time as DD:HH:MM:SS"
        elif interval <= 0:
            yield (
                f"{key} must be at least 1 batch, or a fraction of an epoch above 0; "
                "to do without validation, set limit_val_batches=0"
            )
        elif isinstance(interval, float) and interval > 1:
            yield f"{key} must be a fraction of an epoch up to 1.0, or an integer number of batches"
        elif isinstance(interval, float) and self.check_val_every_n_epoch is None:
            yield f"{key} must be an integer number of batches if check_val_every_n_epoch=null"

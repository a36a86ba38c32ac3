"""The options of `lightning.pytorch.Trainer`, typed."""

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
"""What Lightning can compute with."""


@dataclass
class TrainerConfig(Options):
    """The options of `lightning.pytorch.Trainer` under its own names."""

    accelerator: str = "auto"
    """cpu, gpu, tpu, hpu, mps or auto."""
    strategy: str = "auto"
    """How several devices share the work: auto, ddp, fsdp, …"""
    devices: Any = 1
    """How many devices, or a list of which, or auto for all there are."""
    num_nodes: int = option(1, at_least=1)
    """How many machines."""
    precision: str | None = None
    """32-true, bf16-mixed, 16-mixed, …"""
    fast_dev_run: int | bool = False
    """Run so many batches of everything, to see that it runs."""
    max_epochs: int | None = option(10, at_least=-1)
    """Stop after so many epochs; -1 for no end."""
    min_epochs: int | None = option(None, at_least=0)
    """Train at least so many epochs."""
    max_steps: int = option(-1, at_least=-1)
    """Stop after so many optimizer steps; -1 for no end."""
    min_steps: int | None = option(None, at_least=0)
    """Train at least so many steps."""
    max_time: Any = None
    """Stop after so long: DD:HH:MM:SS."""
    limit_train_batches: int | float | None = option(None, at_least=0)
    """So many batches per epoch, or a share of them if it is a fraction."""
    limit_val_batches: int | float | None = option(None, at_least=0)
    """The same for validation; 0 switches it off."""
    limit_test_batches: int | float | None = option(None, at_least=0)
    """The same for the test; 0 switches it off."""
    limit_predict_batches: int | float | None = option(None, at_least=0)
    """The same for prediction."""
    overfit_batches: int | float = option(0.0, at_least=0)
    """Train and validate on the same few batches."""
    val_check_interval: Any = None
    """Validate every so many batches, or at a share of an epoch."""
    check_val_every_n_epoch: int | None = option(1, at_least=1)
    """Validate after every so many epochs."""
    num_sanity_val_steps: int | None = option(0, at_least=-1)
    """Validation batches before training begins."""
    log_every_n_steps: int | None = option(10, at_least=0)
    """How often losses go to the loggers."""
    enable_checkpointing: bool | None = None
    """Write checkpoints."""
    enable_progress_bar: bool | None = None
    """Show progress."""
    enable_model_summary: bool | None = False
    """Print a table of the model's parts."""
    accumulate_grad_batches: int = option(1, at_least=1)
    """Add up the gradients of so many batches before each step."""
    gradient_clip_val: int | float | None = option(None, at_least=0)
    """Clip gradients to this."""
    gradient_clip_algorithm: str | None = None
    """norm or value."""
    deterministic: Any = None
    """true, false or warn."""
    benchmark: bool | None = None
    """Let cuDNN look for the fastest algorithm."""
    inference_mode: bool = True
    """Score without autograd's bookkeeping."""
    use_distributed_sampler: bool = False
    """Ours already gives each device its share; Lightning's would replace it."""
    profiler: str | None = None
    """simple, advanced, pytorch, …"""
    detect_anomaly: bool = False
    """Stop at the operation that first yields NaN (slow)."""
    barebones: bool = False
    """Switch off everything that costs time beside training."""
    sync_batchnorm: bool = False
    """Normalize over the batches of all devices."""
    reload_dataloaders_every_n_epochs: int = option(0, at_least=0)
    """Make the loaders anew every so many epochs."""
    enable_autolog_hparams: bool = True
    """Log hyper-parameters at the start."""
    model_registry: str | None = None
    """Where Lightning's model registry uploads checkpoints."""

    @property
    def endless(self) -> bool:
        """Whether nothing bounds the steps; a limit of time may still end the run."""
        return self.max_steps == -1 and self.max_epochs in (None, -1)

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        limits = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches")
        for name in (*limits, "overfit_batches"):
            value = getattr(self, name)
            if isinstance(value, float) and value > 1:
                yield f"{name} is a share up to 1.0 or a whole number of batches, not {value:g}"
        if str(self.precision) not in ("None", *PRECISIONS):
            yield f"precision={self.precision} is none of: {', '.join(PRECISIONS)}"
        if self.gradient_clip_algorithm not in (None, "norm", "value"):
            yield f"gradient_clip_algorithm={self.gradient_clip_algorithm} is neither norm nor value"
        if isinstance(self.max_time, str) and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", self.max_time):
            yield f"max_time={self.max_time} is not of the form DD:HH:MM:SS"
        if self.endless and not self.max_time:
            yield "nothing ends the training: set trainer.max_epochs, trainer.max_steps or trainer.max_time"

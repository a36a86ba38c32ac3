"""Descriptions of the built-in callbacks."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import CallbackPlugin, Config, option


@dataclass
class LRMonitorConfig(Config):
    """The learning rate of every parameter group, logged every `trainer.log_every_n_steps` steps."""

    momentum: bool = False
    """Also log the momentum of each group, or its first beta."""
    weight_decay: bool = False
    """Also log the weight decay of each group."""


lr_monitor = CallbackPlugin(
    api=1,
    summary="logs the learning rate of every parameter group",
    config=LRMonitorConfig,
    factory="ocr_trainer.builtin.callbacks.lr_monitor:make",
)


@dataclass
class GradNormConfig(Config):
    """Norms of the gradients of the whole model and of its top-level modules, before they are clipped."""

    every: int = option(10, at_least=1)
    """Log the norms every this many optimizer steps."""


grad_norm = CallbackPlugin(
    api=1,
    summary="logs the gradient norms of the model and its top-level modules, before clipping",
    config=GradNormConfig,
    factory="ocr_trainer.builtin.callbacks.grad_norm:GradNorm",
)


@dataclass
class ProfilerConfig(Config):
    """torch.profiler for a few training batches; the report is in `profiler` in the run directory."""

    start: int = option(10, at_least=0)
    """Batches before the profiler starts; it then takes one more batch to warm up."""
    batches: int = option(5, at_least=1, at_most=100)
    """Batches to profile. The trace of one takes some MB."""
    shapes: bool = False
    """Record the shapes of the operators' inputs, and list operators by shape."""
    memory: bool = False
    """Record the memory that operators allocate."""


profiler = CallbackPlugin(
    api=1,
    summary="profiles a few training batches, and writes a table of operators and a trace",
    config=ProfilerConfig,
    factory="ocr_trainer.builtin.callbacks.profiler:Profiler",
)

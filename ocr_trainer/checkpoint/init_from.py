"""Fine-tuning: a model begins with the weights of a checkpoint, and what did not fit is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ocr_trainer.checkpoint import read
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import CheckpointError

SHOWN = 5

Adapt = Callable[[dict[str, Tensor], Any, Mapping[str, Any]], dict[str, Tensor]]


@dataclass(frozen=True)
class WeightLoadReport:
    """The account of every tensor of the model and of the checkpoint, by name."""

    source: str
    loaded: list[str]
    fresh: list[str]
    """Of the model: not in the checkpoint."""
    reshaped: list[str]
    """Of the model: in the checkpoint with another shape, so left as they were."""
    left_over: list[str]
    """Of the checkpoint: not in the model."""
    options: list[str]
    """Options of the model that differ."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as report.json keeps it."""
        return {
            "checkpoint": self.source,
            "loaded": len(self.loaded),
            "not_in_checkpoint": self.fresh,
            "of_another_shape": self.reshaped,
            "left_over": self.left_over,
            "different_options": self.options,
        }

    def __str__(self) -> str:
        wanted = len(self.loaded) + len(self.fresh) + len(self.reshaped)
        faults = {
            "not in the checkpoint": self.fresh,
            "of another shape": self.reshaped,
            "not in this model": self.left_over,
            "options that differ": self.options,
        }
        lines = [f"\n  {title}: {_some(names)}" for title, names in faults.items() if names]
        return f"{len(self.loaded)} of {wanted} tensors begin as in {self.source}{''.join(lines)}"


def load_initial_weights(
    model: Any, config: Any, path: Path, adapt: Adapt = lambda found, model, saved: {}
) -> WeightLoadReport:
    """Load what fits of a checkpoint's weights into a model.

    Args:
        model: Freshly built.
        config: Its options.
        path: A checkpoint of ours, of this or another model, after any number of steps.
        adapt: Called with the checkpoint's tensors, the model and the checkpoint's configuration. Returns
            the tensors that take another form in this model.

    Raises:
        CheckpointError: It cannot be read, or nothing of it fits.
    """
    saved = read.read(path)
    found, own = read.model_state(saved), model.state_dict()
    found |= adapt(found, model, saved["ocr_trainer"]["config"])
    fitting = {name: value for name, value in found.items() if name in own and own[name].shape == value.shape}
    theirs, ours = saved["ocr_trainer"]["config"]["model"], plain(config.without_init_weights())
    weight_report = WeightLoadReport(
        source=str(path),
        loaded=list(fitting),
        fresh=[name for name in own if name not in found],
        reshaped=[
            f"{name} ({tuple(found[name].shape)} there, {tuple(value.shape)} here)"
            for name, value in own.items()
            if name in found and name not in fitting
        ],
        left_over=[name for name in found if name not in own],
        options=[
            f"{key}={theirs[key]} there, {ours[key]} here"
            for key in ours
            if theirs.get(key, ours[key]) != ours[key]
        ],
    )
    if not fitting:
        raise CheckpointError(f"init_from={path} does not fit this model: {weight_report}")
    model.load_state_dict(own | fitting)
    return weight_report


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

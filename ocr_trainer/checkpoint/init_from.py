"""Fine-tuning: load the weights of a checkpoint into a new model, and report what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ocr_trainer.checkpoint import read
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Config

SHOWN = 5
"""How many names to list of each kind."""

Adapt = Callable[[dict[str, Tensor], Any, Mapping[str, Any]], dict[str, Tensor]]


@dataclass(frozen=True)
class WeightLoadReport:
    """The names of all tensors of the model and of the checkpoint, by what happened to them."""

    source: str
    loaded: list[str]
    fresh: list[str]
    """Tensors of the model that the checkpoint lacks."""
    reshaped: list[str]
    """Tensors of the model that have another shape in the checkpoint; not loaded."""
    left_over: list[str]
    """Tensors of the checkpoint that the model lacks."""
    options: list[str]
    """Model options that differ."""

    def to_dict(self) -> dict[str, Any]:
        """Return the form that report.json has."""
        return {
            "checkpoint": self.source,
            "loaded": len(self.loaded),
            "not_in_checkpoint": self.fresh,
            "of_another_shape": self.reshaped,
            "left_over": self.left_over,
            "different_options": self.options,
        }

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.fresh) + len(self.reshaped)
        differences = {
            "not in the checkpoint": self.fresh,
            "of another shape": self.reshaped,
            "not in this model": self.left_over,
            "options that differ": self.options,
        }
        lines = [f"\n  {title}: {_list(names)}" for title, names in differences.items() if names]
        return f"{len(self.loaded)} of {total} tensors loaded from {self.source}{''.join(lines)}"


def load_initial_weights(
    model: nn.Module, config: Config, path: Path, adapt: Adapt = lambda weights, model, saved: {}
) -> WeightLoadReport:
    """Load the weights of a checkpoint that fit into a model.

    Args:
        model: A newly built model.
        config: Its options.
        path: A checkpoint of ocr-trainer, of this or another model, from any step.
        adapt: Called with the checkpoint's tensors, the model and the checkpoint's configuration. Returns
            the tensors that have another layout in this model, converted.

    Raises:
        CheckpointError: The checkpoint cannot be read, or none of its tensors fits.
    """
    saved = read.read(path)
    weights, own = read.model_state(saved), model.state_dict()
    weights |= adapt(weights, model, saved["ocr_trainer"]["config"])
    fitting = {
        name: value for name, value in weights.items() if name in own and own[name].shape == value.shape
    }
    theirs, ours = saved["ocr_trainer"]["config"]["model"], plain(config.without_init_weights())
    weight_report = WeightLoadReport(
        source=str(path),
        loaded=list(fitting),
        fresh=[name for name in own if name not in weights],
        reshaped=[
            f"{name} ({tuple(weights[name].shape)} there, {tuple(value.shape)} here)"
            for name, value in own.items()
            if name in weights and name not in fitting
        ],
        left_over=[name for name in weights if name not in own],
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


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

"""Fine-tuning: load the weights of a checkpoint into a new model, and account for every tensor.

Too few weights, or weights of another architecture, are refused: the run would look like fine-tuning, but
would start from mostly random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ocr_trainer.checkpoint.pretrained import COUNTER
from ocr_trainer.checkpoint.published import InitialWeights, open_initial
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Config, discovery

SHOWN = 5
"""How many names to list of each kind."""
ENOUGH = 0.9
"""The share of a model's tensors that must be loaded, unless `init_from.partial` is set."""

MEAN = ".running_mean"
"""Suffix of a batch norm's mean. A file that has the mean may lack the counter of the same batch norm."""

Adapt = Callable[[dict[str, Tensor], Any, Mapping[str, Any]], dict[str, Tensor]]


@dataclass(frozen=True)
class WeightLoadReport:
    """The names of all tensors of the model and of the checkpoint, by what happened to them."""

    source: str
    loaded: list[str]
    fresh: list[str]
    """Tensors of the model that the checkpoint lacks."""
    reshaped: list[str]
    """Tensors whose shape in the model differs from that in the checkpoint; not loaded."""
    left_over: list[str]
    """Tensors of the checkpoint that the model lacks."""
    options: list[str]
    """Model options that differ."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Tensors of published weights that are left out on purpose, each with the reason."""
    published: str | None = None
    """For published weights: their name, source, license and training data. None for a checkpoint."""

    @property
    def total(self) -> int:
        """The number of the model's tensors."""
        return len(self.loaded) + len(self.fresh) + len(self.reshaped)

    def to_dict(self) -> dict[str, Any]:
        """Return the form that report.json has."""
        return {
            "checkpoint": self.source,
            "published": self.published,
            "loaded": len(self.loaded),
            "not_in_checkpoint": self.fresh,
            "of_another_shape": self.reshaped,
            "left_over": self.left_over,
            "left_out": dict(self.dropped),
            "different_options": self.options,
        }

    def __str__(self) -> str:
        published = f"\n  {self.published}" if self.published else ""
        return (
            f"{len(self.loaded)} of {self.total} tensors loaded from {self.source}{published}{self.lists()}"
        )

    def lists(self) -> str:
        """Return one line per reason that tensors were not loaded, with the first few names."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.dropped.items():
            reasons.setdefault(f"left out, {reason}", []).append(name)
        differences = {
            "not in the checkpoint": self.fresh,
            "different shape": self.reshaped,
            "not in this model": self.left_over,
            **reasons,
            "options that differ": self.options,
        }
        return "".join(f"\n  {title}: {_list(names)}" for title, names in differences.items() if names)


def load_initial_weights(
    model: nn.Module,
    config: Config,
    path: Path,
    adapt: Adapt = lambda weights, model, saved: {},
    partial: bool = False,
) -> WeightLoadReport:
    """Load into a model the weights of a checkpoint that fit.

    Args:
        model: A newly built model.
        config: Its options.
        path: A checkpoint of ocr-trainer from any step, of this model or another; or published weights.
        adapt: Called with the checkpoint's tensors, the model and the checkpoint's configuration. Returns
            converted copies of the tensors whose layout differs in this model.
        partial: Load any tensors that fit, even if they are less than nine tenths of the model's.

    Raises:
        CheckpointError: The checkpoint cannot be read, or too few of its tensors fit. The model is unchanged.
    """
    initial = open_initial(path, config.name)
    weights, own = dict(initial.tensors), model.state_dict()
    weights |= adapt(weights, model, initial.config)
    fitting = {
        name: value for name, value in weights.items() if name in own and own[name].shape == value.shape
    }
    report = _report(initial, weights, own, fitting, plain(config.without_init_weights()))
    if reason := _objection(initial, report, config, partial):
        raise CheckpointError(
            f"init_from={path} {reason}{report.lists()}{_ways_out(initial, config, partial)}"
        )
    model.load_state_dict(own | fitting)
    return report


def _report(
    initial: InitialWeights,
    weights: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    fitting: Mapping[str, Tensor],
    options: Mapping[str, Any],
) -> WeightLoadReport:
    """Return what fits and what does not."""
    theirs, published = initial.config["model"], initial.published
    return WeightLoadReport(
        source=str(initial.path),
        loaded=list(fitting),
        # Older files lack the counters of batch norms, which do not change the result.
        fresh=[name for name in own if name not in weights and name.replace(COUNTER, MEAN) not in weights],
        reshaped=[
            f"{name} ({tuple(weights[name].shape)} there, {tuple(value.shape)} here)"
            for name, value in own.items()
            if name in weights and name not in fitting
        ],
        left_over=[name for name in weights if name not in own] + list(initial.unknown),
        options=[
            f"{key}={theirs[key]} there, {value} here"
            for key, value in options.items()
            if theirs.get(key, value) != value
        ],
        dropped=initial.dropped,
        published=f"{published.name} ({published.source}), code: {published.license}; {published.data}"
        if published is not None
        else None,
    )


def _objection(
    initial: InitialWeights, report: WeightLoadReport, config: Config, partial: bool
) -> str | None:
    """Return why the weights must not be loaded, or None."""
    if not report.loaded:
        return f"does not fit this model: 0 of {report.total} tensors can be loaded"
    if partial:
        return None
    count = f"{len(report.loaded)} of {report.total}"
    if len(report.loaded) < ENOUGH * report.total:
        return f"fits only {count} tensors of this model, less than {ENOUGH:.0%}"
    if initial.unknown:
        return f"has tensors that {initial.published and initial.published.name} does not have"
    if changed := list(architecture_changes(initial, config)):
        return f"has another architecture ({', '.join(changed)}), although {count} tensors fit"
    return None


def _ways_out(initial: InitialWeights, config: Config, partial: bool) -> str:
    """Return what to do about weights that do not fit."""
    ours, theirs = plain(config), initial.config["model"]
    if same_plugin(initial, config):
        changes = architecture_changes(initial, config)
        matching = [word for key in changes for word in overrides(theirs[key], f"model.{key}", ours[key])]
    else:
        matching = [f"model={theirs['name']}"]
    ways = [f"build the model of the file: {' '.join(matching)}"] if matching else []
    if not partial:
        ways.append(
            "load the tensors that fit, and train the rest from random weights: init_from.partial=true"
        )
    ways.append(f"use other weights: ocr-train describe model {config.name} lists them")
    return "".join(f"\n  {way}" for way in ways)


def same_plugin(initial: InitialWeights, config: Config) -> bool:
    """Return whether the weights and the options belong to the same model plugin."""
    names = (str(name).rpartition(":")[2] for name in (initial.config["model"]["name"], config.name))
    return len(set(names)) == 1


def architecture_changes(initial: InitialWeights, config: Config) -> Iterator[str]:
    """Yield the options of the architecture that differ, if file and run have the same model."""
    if not same_plugin(initial, config):
        return
    description = discovery.load_model(config.name)
    ours, theirs = plain(config.without_init_weights()), initial.config["model"]
    for key in description.architecture:
        if key in theirs and _differs(theirs[key], ours[key]):
            yield key


def _differs(theirs: Any, ours: Any) -> bool:
    """Return whether an option differs; ignore nested options that only one of the two has."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        return any(_differs(theirs[key], ours[key]) for key in theirs.keys() & ours.keys())
    return bool(theirs != ours)


def overrides(value: Any, key: str, before: Any = None) -> Iterator[str]:
    """Yield the overrides that set an option to a plain value; skip those that change nothing."""
    if value == before:
        return
    if isinstance(value, Mapping):
        own = before if isinstance(before, Mapping) else {}
        for name, item in value.items():
            yield from overrides(item, f"{key}.{name}", own.get(name))
    elif isinstance(value, list):
        yield f"{key}=[{','.join(map(str, value))}]"
    else:
        yield f"{key}={str(value).lower() if isinstance(value, bool) else value}"


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

"""Check what a checkpoint holds before anything uses it: an intact file can still be wrong inside.

`check_usable` is for every use, `check_resumable` for resuming: it checks the presence and the types of all
that Lightning would restore, because Lightning passes over some of what is missing without a word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocr_trainer.errors import CheckpointError

SHOWN = 3
"""Names listed in a message."""
COUNTERS = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.scheduler_progress")
"""The positions of the training loop, by Lightning's names."""
AVERAGED = "current_model_state"
"""The weights that are trained, in a checkpoint whose state_dict is their moving average."""
STEPS = "epoch_loop.automatic_optimization.optim_progress"


def check_usable(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint whose weights or configuration cannot be those of a model.

    Raises:
        CheckpointError: Something is missing or of another type, or a weight is not finite.
    """
    weights, ours = checkpoint["state_dict"], checkpoint["ocr_trainer"]
    model = ours["config"].get("model")
    if not isinstance(model, dict) or not isinstance(model.get("name"), str):
        raise _wrong(path, "its configuration names no model")
    if not isinstance(weights, dict) or not weights:
        raise _wrong(path, "its weights (state_dict) are not a table of named tensors")
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _wrong(path, f"in its weights, {name} is not a tensor but of type {type(value).__name__}")
        if reason := unusable_tensor(value):
            raise _wrong(path, f"its weight {name} {reason}")
    if found := [name for name, value in weights.items() if not is_finite(value)]:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise _wrong(
            path,
            f"{len(found)} of {len(weights)} weights are not finite (NaN or infinity): "
            f"{', '.join(found[:SHOWN])}{more}\n  use an earlier checkpoint of the run",
        )


def unusable_tensor(value: Tensor) -> str | None:
    """Return why a tensor cannot be a weight, or None."""
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        return "is not a dense tensor"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return "claims more values than the file has"
    return None


def is_finite(value: Tensor) -> bool:
    """Return whether a tensor holds finite numbers only, or is a mask of 0 and minus infinity."""
    if not (value.is_floating_point() or value.is_complex()) or bool(torch.isfinite(value).all()):
        return True
    return not value.is_complex() and bool(((value == 0) | (value == -torch.inf)).all())


def check_resumable(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint that lacks a part of the state of training.

    Raises:
        CheckpointError: A part is missing or of another type, or parts contradict each other.
    """
    place = checkpoint["ocr_trainer"].get("place")
    step = checkpoint.get("global_step")
    if place is None:
        raise CheckpointError(f"{path} has no position in training to resume from")
    if not _has(place, {"epoch": int, "batches": int, "whole_step": bool}) or not _is_count(step):
        raise _wrong(path, "its position in training is damaged")
    if not place["whole_step"]:
        raise CheckpointError(f"{path} has no position in training to resume from")
    fit = _section(_section(checkpoint, "loops", path), "fit_loop", path)
    _check_counts(checkpoint["loops"], path)
    for name in COUNTERS:
        _check_counters(_section(fit, name, path), name, path)
    optimizer = _section(_section(fit, STEPS, path), "optimizer", path)
    for name in ("step", "zero_grad"):
        _check_counters(_section(optimizer, name, path), STEPS, path)
    done = optimizer["step"]["total"]["completed"]
    batches = fit["epoch_loop.batch_progress"]["current"]["ready"]
    if done != step or batches != place["batches"]:
        raise _wrong(path, "the counts of its steps and batches contradict each other")
    if not _is_count(_section(fit, "epoch_loop.state_dict", path).get("_batches_that_stepped")):
        raise _wrong(path, "its position in training is damaged")
    for key, state in _section(checkpoint, "callbacks", path).items():
        if not isinstance(key, str) or not isinstance(state, dict):
            raise _wrong(path, f"the state of its callback {key} is not a table of values")
    _check_optimizer(_only(checkpoint, "optimizer_states", path), path)
    schedule = _only(checkpoint, "lr_schedulers", path)
    if not _has(schedule, {"last_epoch": int, "_step_count": int, "base_lrs": list, "_last_lr": list}):
        raise _wrong(path, "the state of its schedule (lr_schedulers) is damaged")
    if not all(map(_is_rate, (*schedule["base_lrs"], *schedule["_last_lr"]))):
        raise _wrong(path, "the learning rates of its schedule (lr_schedulers) are damaged")
    if not isinstance(scores := checkpoint["ocr_trainer"].get("best_scores", {}), dict) or not all(
        isinstance(name, str) and isinstance(score, float | int) for name, score in scores.items()
    ):
        raise _wrong(path, "its best scores are damaged")


def check_callback(own: Mapping[str, Any], callback: str, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Refuse a state of one of our callbacks that is not like the one it has now.

    Args:
        own: Its state now.
        callback: The key of its state.
        checkpoint: The content of the checkpoint; it need not have the state, which an option may have added.
        path: The checkpoint.

    Raises:
        CheckpointError: A value is missing or of another type.
    """
    saved = checkpoint["callbacks"].get(callback)
    for key, value in own.items() if saved is not None else ():
        number = isinstance(value, int | float) and isinstance(saved.get(key), int | float)
        if type(value) is not type(saved.get(key)) and not number:
            raise _wrong(path, f"{key} in the state of its callback {callback} is damaged")


def check_average(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint without the weights that a run with a moving average trains.

    Raises:
        CheckpointError: They are missing, or not like its other weights.
    """
    average, weights = checkpoint["state_dict"], _section(checkpoint, AVERAGED, path)
    for name, value in average.items():
        there = weights.get(name)
        if not isinstance(there, Tensor) or there.shape != value.shape or unusable_tensor(there):
            raise _wrong(path, f"{name} is missing in the weights beside their moving average")
        if not is_finite(there):
            raise _wrong(path, f"{name} beside its moving average is not finite")


def _check_optimizer(optimizer: Mapping[str, Any], path: Path) -> None:
    """Refuse a state of an optimizer whose parts are missing for some parameters."""
    groups, states = optimizer.get("param_groups"), optimizer.get("state")
    if not isinstance(groups, list) or not groups or not isinstance(states, dict):
        raise _wrong(path, "the state of its optimizer is damaged")
    taken: set[int] = set()
    for group in groups:
        rates = [group.get(key, 0.0) for key in ("lr", "initial_lr")] if isinstance(group, dict) else [None]
        if not _has(group, {"params": list}) or not all(map(_is_rate, rates)):
            raise _wrong(path, "a parameter group of its optimizer is damaged")
        for index in group["params"]:
            if not _is_count(index) or index in taken:
                raise _wrong(path, "the parameters of its optimizer are not numbered one by one")
            taken.add(index)
        members = [states[index] for index in group["params"] if index in states]
        parts = [frozenset(state) if isinstance(state, dict) else None for state in members]
        if len(set(parts)) > 1 or None in parts:
            raise _wrong(path, "the state of its optimizer lacks parts for some parameters")
    for name, value in _tensors(states):
        if unusable_tensor(value) or not is_finite(value):
            raise _wrong(path, f"the state of its optimizer is not finite: {name}")


def _tensors(states: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    for index, state in states.items():
        for name, value in state.items() if isinstance(state, dict) else ():
            if isinstance(value, Tensor):
                yield f"{name} of parameter {index}", value


def _check_counters(counters: dict[str, Any], name: str, path: Path) -> None:
    """Refuse counters that lack a count. Lightning takes 0 for those that are missing."""
    complete = all(
        _has(counters.get(part), {"ready": int, "completed": int}) for part in ("total", "current")
    )
    if not complete:
        raise _wrong(path, f"its position in training is damaged ({name})")


def _check_counts(loops: dict[str, Any], path: Path) -> None:
    """Refuse anything but counts in the nested tables of Lightning's loops."""
    rest: list[Any] = [loops]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest += item.values()
        elif not (_is_count(item) or isinstance(item, bool)):
            raise _wrong(path, "its position in training is damaged (loops)")


def _section(content: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        found = "is missing" if value is None else f"is of type {type(value).__name__}, not a table"
        raise _wrong(path, f"its part {key} {found}")
    return value


def _only(content: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    """Return the one entry of a list that Lightning saves for each optimizer."""
    value = content.get(key)
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise _wrong(path, f"its part {key} is not a list with the state of one")
    return dict(value[0])


def _has(value: Any, types: Mapping[str, type]) -> bool:
    """Return whether a table has keys of these types; a count is no truth value and not negative."""
    return isinstance(value, dict) and all(
        _is_count(value.get(key)) if kind is int else isinstance(value.get(key), kind)
        for key, kind in types.items()
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_rate(value: Any) -> bool:
    """Return whether a value can be a learning rate."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and _is_rate(value.item())
    return isinstance(value, float | int) and math.isfinite(value) and value >= 0


def _wrong(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path} cannot be used: {reason}")

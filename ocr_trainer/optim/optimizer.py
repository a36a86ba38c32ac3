"""Build the optimizer of a run from its plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import CheckpointError, ConfigError, OcrTrainerError
from ocr_trainer.optim.groups import ParameterGroup, parameter_groups, some
from ocr_trainer.plugin import Context, Kind, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception

ADAM = frozenset(("step", "exp_avg", "exp_avg_sq"))
STATES: dict[type, frozenset[str]] = {Adam: ADAM, AdamW: ADAM}
"""The state of a parameter that torch's optimizers need once they have taken a step."""
SHAPED = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer"}
"""States that have the shape of their parameter, by the names that torch's optimizers have given them."""


def make_optimizer(model: nn.Module, run: RunConfig, context: Context) -> Optimizer:
    """Return the optimizer of a model.

    Raises:
        ConfigError: The optimizer refuses a parameter group.
        PluginBroken: The plugin cannot be imported, fails, or returns no optimizer of all parameters.
    """
    groups = parameter_groups(model, run)
    context = replace(context, model=model)
    try:
        optimizer = _build(run, context, groups)
    except OcrTrainerError:
        raise
    except Exception as error:
        for number, group in enumerate(groups, start=1):
            if refusal := _refusal(run, context, group):
                raise _refused(run, model, groups, number, refusal) from error
        reason = f"its factory fails with {describe_exception(error)}"
        raise discovery.broken(discovery.find(Kind.optimizer, run.optimizer.name), reason) from error
    if difference := _unequal(optimizer, model, groups):
        raise discovery.broken(discovery.find(Kind.optimizer, run.optimizer.name), difference)
    return optimizer


def group_sizes(groups: Sequence[ParameterGroup]) -> list[int]:
    """Return the number of parameters in each group."""
    return [len(group["params"]) for group in groups]


def check_state_fits(optimizer: Optimizer, saved: Mapping[str, Any] | None, step: int = 0) -> None:
    """Refuse the state of another optimizer: torch accepts most of it, and fails at the next step.

    Args:
        optimizer: The optimizer of a resumed run.
        saved: Its state in the checkpoint; None if it starts anew.
        step: The number of steps that it has taken.

    Raises:
        CheckpointError: The groups differ, or a part of the state is missing or of another shape.
    """
    if saved is None:
        return
    sizes, there = group_sizes(optimizer.param_groups), group_sizes(saved["param_groups"])
    if there == sizes:
        if reason := _missing(optimizer, saved, step):
            raise CheckpointError(
                f"the state of the optimizer in the checkpoint is damaged: {reason}\n"
                "  start a new run from its weights: init_from=…/checkpoints/last.ckpt"
            )
    else:
        raise CheckpointError(
            f"the checkpoint has the state of an optimizer with groups of {there} parameters; now there are "
            f"groups of {sizes}\n  resume with the options and versions of model and optimizer that it had, "
            "or start a new run from its weights: init_from=…/checkpoints/last.ckpt"
        )


def _missing(optimizer: Optimizer, saved: Mapping[str, Any], step: int) -> str | None:
    """Return what is missing or wrong in a state whose groups have the right sizes, or None."""
    for own, there in zip(optimizer.param_groups, saved["param_groups"], strict=True):
        for key, value in own.items():
            if key != "params" and not (key in there and _alike(value, there[key])):
                return f"the option {key} of a parameter group"
        needed = STATES.get(type(optimizer), frozenset())
        if isinstance(optimizer, SGD) and own["momentum"]:
            needed = frozenset(("momentum_buffer",))
        states = [saved["state"].get(index) for index in there["params"]]
        if needed and step and not any(states):
            return f"{', '.join(sorted(needed))} of all parameters"
        for parameter, state in zip(own["params"], states, strict=True):
            if state is not None and (lacking := needed - set(state)):
                return f"{', '.join(sorted(lacking))} of a parameter"
            for name in SHAPED & set(state or ()):
                if state[name] is not None and getattr(state[name], "shape", None) != parameter.shape:
                    return f"{name} of a parameter of shape {tuple(parameter.shape)}"
    return None


def _alike(own: Any, saved: Any) -> bool:
    """Return whether a value of a parameter group can replace another."""
    if isinstance(own, int | float | Tensor) and not isinstance(own, bool):
        return isinstance(saved, int | float | Tensor) and not isinstance(saved, bool)
    if isinstance(own, tuple | list):
        return isinstance(saved, tuple | list) and len(own) == len(saved) and all(map(_alike, own, saved))
    return own is None or saved is None or type(own) is type(saved)


def _build(run: RunConfig, context: Context, groups: Sequence[ParameterGroup]) -> Optimizer:
    # Optimizers may change the groups that they get.
    copies = [{**group, "params": list(group["params"])} for group in groups]
    optimizer: Optimizer = build(Kind.optimizer, run.optimizer, replace(context, parameter_groups=copies))
    return optimizer


def _refusal(run: RunConfig, context: Context, group: ParameterGroup) -> str | None:
    """Return why the optimizer refuses a group by itself, or None."""
    try:
        _build(run, context, [group])
    except ValueError as error:
        return str(error)
    except Exception:
        return None  # whatever it is, it is not about the group
    return None


def _refused(
    run: RunConfig, model: nn.Module, groups: Sequence[ParameterGroup], number: int, refusal: str
) -> ConfigError:
    group, plugin = groups[number - 1], discovery.find(Kind.optimizer, run.optimizer.name)
    members = set(group["params"])
    listed = some([f"{name} {tuple(p.shape)}" for name, p in model.named_parameters() if p in members])
    return ConfigError(
        f"optimizer={run.optimizer.name} refuses parameter group {number} of {len(groups)}: {refusal}\n"
        f"  its parameters: {listed}\n"
        f"  provided by {plugin}\n"
        "  choose an optimizer for parameters of any shape, such as optimizer=adamw"
    )


def _unequal(optimizer: Optimizer, model: nn.Module, groups: Sequence[ParameterGroup]) -> str | None:
    """Return how the parameters of an optimizer differ from those of the groups, or None."""
    given = {p for group in groups for p in group["params"]}
    held = [p for group in optimizer.param_groups for p in group["params"]]
    if missing := [name for name, p in model.named_parameters() if p in given - set(held)]:
        return f"the optimizer that its factory returns leaves out {some(missing)}"
    if len(held) > len(given):
        return "the optimizer that its factory returns has parameters that it was not given"
    return None

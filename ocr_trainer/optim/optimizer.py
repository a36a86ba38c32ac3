"""Build the optimizer of a run from its plugin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn
from torch.optim import Optimizer

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import CheckpointError, ConfigError, OcrTrainerError
from ocr_trainer.optim.groups import ParameterGroup, parameter_groups, some
from ocr_trainer.plugin import Context, Kind, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception


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


def check_state_fits(optimizer: Optimizer, saved: list[int] | None) -> None:
    """Refuse the state of an optimizer with other groups, of which torch says only that they differ.

    Args:
        optimizer: The optimizer of a resumed run.
        saved: The sizes of the groups in its checkpoint; None if it starts anew.

    Raises:
        CheckpointError: The groups differ.
    """
    sizes = group_sizes(optimizer.param_groups)
    if saved not in (None, sizes):
        raise CheckpointError(
            f"the checkpoint has the state of an optimizer with groups of {saved} parameters; now there are "
            f"groups of {sizes}\n  resume with the options and versions of model and optimizer that it had, "
            "or start a new run from its weights: init_from=…/checkpoints/last.ckpt"
        )


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

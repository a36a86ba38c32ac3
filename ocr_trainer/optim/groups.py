"""Parameter groups: which parameters share a learning rate and a weight decay."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import ConfigError, PluginBroken
from ocr_trainer.plugin import Kind, OptimizerConfig, discovery

ParameterGroup = dict[str, Any]
"""`params`, a list of parameters, with their `weight_decay` and peak learning rate `lr`."""

MODEL_KEYS = {"params", "lr_scale", "weight_decay"}
"""What a model may say of a group."""
MAX_NAMES = 3
"""How many parameters a message names."""


def parameter_groups(model: nn.Module, run: RunConfig) -> list[ParameterGroup]:
    """Return the parameter groups of a model; each trainable parameter is in one of them.

    - Parameters with fewer than two dimensions (norms and biases) have weight decay only with
      `optimizer.decay_norms`.
    - A model may define its own groups, as `parameter_groups(config)`: a list of dicts with `params` and, if
      wanted, `lr_scale` and `weight_decay`, which then holds for all parameters of the group.
    - With `optimizer.layer_decay` below 1, a layer's learning rate is multiplied by it once for each layer
      above and once for the head, as in BEiT (Bao et al., ICLR 2022). The model defines its layers as
      `layers_by_depth()`: the parameters of each, from the input to the output; others count as head.

    Args:
        model: The model to train. Frozen parameters are left out.
        run: The run's configuration.

    Raises:
        ConfigError: `optimizer.layer_decay` is set, but the model defines no layers.
        PluginBroken: The model's groups or layers are invalid.
    """
    scales = _layer_scales(model, run)
    return [part for group in _model_groups(model, run) for part in _split(group, scales, run.optimizer)]


def _split(
    group: ParameterGroup, scales: dict[nn.Parameter, float], config: OptimizerConfig
) -> Iterator[ParameterGroup]:
    """Split a model's group by learning rate and weight decay: from high to low rates, weights first."""
    parts: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in group["params"]:
        scale = group.get("lr_scale", 1.0) * scales.get(parameter, 1.0)
        undecayed = parameter.ndim <= 1 and not config.decay_norms and "weight_decay" not in group
        parts.setdefault((scale, undecayed), []).append(parameter)
    for (scale, undecayed), parameters in sorted(parts.items(), key=lambda item: (-item[0][0], item[0][1])):
        decay = 0.0 if undecayed else group.get("weight_decay", config.weight_decay)
        yield {"params": parameters, "weight_decay": decay, "lr": config.lr * scale}


def _model_groups(model: nn.Module, run: RunConfig) -> list[ParameterGroup]:
    """Return the groups that the model defines, without frozen parameters, or one group of all."""
    hook: Any = getattr(model, "parameter_groups", lambda _: None)
    groups = hook(run.optimizer)
    if groups is None:
        return [{"params": [p for p in model.parameters() if p.requires_grad]}]
    if not isinstance(groups, list | tuple):
        raise _broken(run, f"must return a list of dicts, not {type(groups).__name__}")
    for group in groups:
        if reason := _invalid(group):
            raise _broken(run, reason)
    groups = [group | {"params": [p for p in group["params"] if p.requires_grad]} for group in groups]
    _check_each_once(model, (p for group in groups for p in group["params"]), run)
    return groups


def _invalid(group: Any) -> str | None:
    """Return what is wrong with a model's group by itself, or None."""
    if not isinstance(group, dict) or "params" not in group:
        return f"must return dicts with 'params', not {type(group).__name__}"
    if unknown := sorted(map(str, group.keys() - MODEL_KEYS)):
        return f"returns a group with {', '.join(unknown)}; a group has {', '.join(sorted(MODEL_KEYS))}"
    parameters = group["params"]
    if not isinstance(parameters, list | tuple) or not all(isinstance(p, nn.Parameter) for p in parameters):
        return "must return groups whose 'params' is a list of parameters"
    for key, least in (("lr_scale", "above 0"), ("weight_decay", "at least 0")):
        value = group.get(key, 1.0)
        valid = isinstance(value, int | float) and math.isfinite(value)
        if not valid or value < 0 or (key == "lr_scale" and value == 0):
            return f"returns a group with {key}={value!r}; it must be a number {least}"
    return None


def _check_each_once(model: nn.Module, grouped: Iterable[nn.Parameter], run: RunConfig) -> None:
    counts = Counter(grouped)
    trainable = {p: name for name, p in model.named_parameters() if p.requires_grad}
    if foreign := [f"a tensor of shape {tuple(p.shape)}" for p in counts if p not in trainable]:
        raise _broken(run, f"returns parameters that the model does not have: {some(foreign)}")
    if missing := [name for p, name in trainable.items() if p not in counts]:
        raise _broken(run, f"leaves out trainable parameters: {some(missing)}")
    if repeated := [trainable[p] for p, count in counts.items() if count > 1]:
        raise _broken(run, f"returns parameters more than once: {some(repeated)}")


def _layer_scales(model: nn.Module, run: RunConfig) -> dict[nn.Parameter, float]:
    """Return the factors of the learning rates of the parameters below the head."""
    decay = run.optimizer.layer_decay
    if decay == 1:
        return {}
    hook: Any = getattr(model, "layers_by_depth", tuple)
    layers = [list(layer) for layer in hook()]
    if not layers:
        raise ConfigError(
            f"optimizer.layer_decay={decay:g} needs a model that defines its layers, and {run.model.name} "
            "does not\n  leave it at 1, or define layers_by_depth() in the model"
        )
    scales = {p: decay ** (len(layers) - depth) for depth, layer in enumerate(layers) for p in layer}
    if not scales.keys() <= set(model.parameters()):
        raise _broken(run, "returns what is no parameter of the model", "layers_by_depth")
    return scales


def some(names: list[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _broken(run: RunConfig, reason: str, method: str = "parameter_groups") -> PluginBroken:
    return discovery.broken(discovery.find(Kind.model, run.model.name), f"its {method}() {reason}")

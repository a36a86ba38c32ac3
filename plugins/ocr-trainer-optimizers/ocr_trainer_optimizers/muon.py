"""Build Muon, with AdamW for what is no matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytorch_optimizer import Muon
from torch import nn

from ocr_trainer.plugin import Context
from ocr_trainer_optimizers.plugin import MuonConfig


def make(config: MuonConfig, context: Context) -> Muon:
    """Return Muon for the run's parameter groups, each split into matrices and other parameters."""
    by_adamw = {
        p
        for module in context.model.modules()
        if isinstance(module, nn.Embedding)
        for p in module.parameters()
    }
    by_adamw |= {p for name, p in context.model.named_parameters() if {*name.split(".")} & {*config.adamw}}
    groups = [part for group in context.parameter_groups for part in _split(group, by_adamw, config)]
    # The first group's learning rate is the one that a run logs.
    groups.sort(key=lambda group: not group["use_muon"])
    return Muon(groups)


def is_matrix(parameter: nn.Parameter) -> bool:
    """Return whether Muon can optimize a parameter: as (outputs, inputs * height * width) for convolutions.

    Depthwise convolutions and position embeddings have an axis of length 1: orthogonalized, each of their
    rows would only be normalized.
    """
    return parameter.ndim >= 2 and min(parameter.shape[:2]) > 1


def _split(
    group: dict[str, Any], by_adamw: set[nn.Parameter], config: MuonConfig
) -> Iterator[dict[str, Any]]:
    matrices = [p for p in group["params"] if is_matrix(p) and p not in by_adamw]
    others = [p for p in group["params"] if not is_matrix(p) or p in by_adamw]
    if matrices:
        yield group | {
            "params": matrices,
            "use_muon": True,
            "momentum": config.momentum,
            "ns_steps": config.ns_steps,
            "use_adjusted_lr": config.match_adamw,
        }
    if others:
        yield group | {
            "params": others,
            "use_muon": False,
            "lr": group["lr"] * config.adamw_scale,
            "betas": (config.beta1, config.beta2),
        }

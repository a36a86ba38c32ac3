"""Freeze parts of a model: exclude them from training and run them in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ocr_trainer.errors import ConfigError, did_you_mean


def freeze(model: nn.Module, parts: Sequence[str]) -> list[nn.Module]:
    """Exclude parts of a model from training, and put them in evaluation mode.

    In evaluation mode, BatchNorm keeps its running statistics, and dropout is off. `model.train()` ends this
    mode: after it, call `eval()` on each returned module.

    Args:
        model: The model.
        parts: Names of modules or parameters, such as `backbone.stem`; everything below them is frozen.

    Returns:
        The frozen modules: those that `parts` names, and all below them.

    Raises:
        ConfigError: The model has no part with one of the names, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    known = [name for name, _ in model.named_modules() if name]
    for part in parts:
        if not any(_within(name, [part]) for name in names):
            top = ", ".join(name for name, _ in model.named_children())
            raise ConfigError(
                f"optimizer.freeze={part}: the model has no such part with weights."
                f"{did_you_mean(part, known)}\n  its parts: {top}"
            )
    for name, parameter in model.named_parameters():
        if _within(name, parts):
            parameter.requires_grad = False
    if parts and not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError("optimizer.freeze leaves nothing to train: name fewer parts of the model")
    frozen = [module for name, module in model.named_modules() if name and _within(name, parts)]
    for module in frozen:
        module.eval()
    return frozen


def _within(name: str, parts: Sequence[str]) -> bool:
    """Return whether a name is one of the parts, or below one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)

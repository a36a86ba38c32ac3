"""Published weights for the backbone, with every tensor of the file and of the network accounted for."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ocr_trainer.errors import CheckpointError

CLASSIFIER = "fc."
COUNTER = ".num_batches_tracked"
"""Older files lack it; it does not enter the result."""
SHOWN = 5


def load_backbone(backbone: nn.Module, path: Path) -> None:
    """Load a file of torchvision's or timm's names into a ResNet; its classifier is left over.

    Raises:
        CheckpointError: The file cannot be read, or its tensors are not those of the backbone.
    """
    found = {name: value for name, value in read_tensors(path).items() if not name.startswith(CLASSIFIER)}
    wanted = backbone.state_dict()
    missing = [name for name in wanted if name not in found and not name.endswith(COUNTER)]
    unknown = [name for name in found if name not in wanted]
    misshapen = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    faults = {"missing": missing, "not known": unknown, "of another shape": misshapen}
    if lines := [f"  {title}: {_some(names)}" for title, names in faults.items() if names]:
        raise CheckpointError(f"model.weights={path} does not fit model.backbone:\n" + "\n".join(lines))
    backbone.load_state_dict(wanted | found)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a file of named tensors; nothing in it is ever run.

    Raises:
        CheckpointError: It is missing, damaged, or holds something else.
    """
    try:
        tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"model.weights={path} cannot be read: {reason}") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise CheckpointError(f"model.weights={path} holds no table of named tensors (a state_dict)")
    return tensors


def _read_torch(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pickles that are not torch's: they are refused
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"model.weights={path} needs a package that is not installed\n  pip install safetensors"
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"model.weights={path} cannot be read: {error}") from error


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

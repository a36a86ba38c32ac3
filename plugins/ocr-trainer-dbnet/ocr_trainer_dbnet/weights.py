"""Published weights for the backbone, with every tensor of the file and of the network accounted for."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor, nn

from ocr_trainer.config.security import refuse_unsafe_loading
from ocr_trainer.errors import CheckpointError
from ocr_trainer_dbnet.hub import fetch
from ocr_trainer_dbnet.plugin import is_file

TABLES = ("model", "state_dict", "model_state_dict")
"""Where training scripts put the tensors, beside the epoch and the like; one may lie within another."""
PREFIXES = ("module.", "model.", "backbone.")
"""What names start with in files of DataParallel, of Lightning, and of detectors."""
COUNTER = ".num_batches_tracked"
"""Older files lack it; it does not enter the result."""
SHOWN = 5


def load_backbone(network: nn.Module, weights: str) -> str:
    """Load a file, or a repository of the hub, of torchvision's or timm's names.

    All tensors of the network must be there. Of the file, parts that the network has not may be left
    over: the classifier, as a rule, or the rest of a detector.

    Returns:
        What was loaded, and what was left over.

    Raises:
        CheckpointError: They are not to be had, cannot be read, or are not those of the network.
    """
    tensors = read_tensors(Path(weights) if is_file(weights) else fetch(weights), weights)
    wanted = network.state_dict()
    parts = {_part(name) for name in wanted}
    prefix = _prefix(tensors, wanted)
    owned = {name: _own(name.removeprefix(prefix), parts) for name in tensors if name.startswith(prefix)}
    found = {own: tensors[name] for name, own in owned.items() if _part(own) in parts}
    left_over = [name for name in tensors if _part(owned.get(name, "")) not in parts]
    rest = f"left over: {_some(left_over)}" if left_over else "nothing left over"
    if faults := _misfits(found, wanted):
        first = f"model.backbone.weights={weights} does not fit model.backbone.name:"
        raise CheckpointError("\n".join([first, *faults, f"  {rest}"]))
    network.load_state_dict(wanted | found)
    counters = "" if len(found) == len(wanted) else f" ({len(wanted) - len(found)} counters start at 0)"
    return f"{len(found)} of {len(wanted)} tensors loaded from {weights}{counters}, {rest}"


def _prefix(names: Collection[str], wanted: Collection[str]) -> str:
    """Return what stands before the network's names in a file."""
    parts = {_part(name) for name in wanted}
    prefix = ""
    while not any(_own(name, parts) in wanted for name in names):
        more = next((p for p in PREFIXES if any(name.startswith(p) for name in names)), None)
        if more is None:
            return ""
        prefix += more
        names = [name.removeprefix(more) for name in names if name.startswith(more)]
    return prefix


def _own(name: str, parts: Collection[str]) -> str:
    """Return a tensor's name in the network: timm's extractors say `stages_0` for the files' `stages.0`."""
    flat = name.replace(".", "_", 1)
    return flat if _part(flat) in parts else name


def _part(name: str) -> str:
    return name.partition(".")[0]


def _misfits(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    shapes = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    missing = [name for name in wanted if name not in found and not name.endswith(COUNTER)]
    unknown = [name for name in found if name not in wanted]
    faults = {"missing": missing, "not known": unknown, "of another shape": shapes}
    return [f"  {title}: {_some(faulty)}" for title, faulty in faults.items() if faulty]


def read_tensors(path: Path, weights: str) -> dict[str, Tensor]:
    """Read a file of named tensors; nothing in it is ever run.

    Args:
        path: Where it lies.
        weights: What the user calls it.

    Raises:
        CheckpointError: It is missing, damaged, or holds something else.
    """
    told = f"model.backbone.weights={weights}"
    try:
        tensors = _read_safetensors(path, told) if path.suffix == ".safetensors" else _read_torch(path)
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{told} cannot be read: {reason}") from error
    for table in TABLES:
        if isinstance(tensors, dict) and isinstance(tensors.get(table), dict):
            tensors = tensors[table]
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        raise CheckpointError(f"{told} holds no table of named tensors (a state_dict)")
    return tensors


def _read_torch(path: Path) -> object:
    refuse_unsafe_loading()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pickles that are not torch's: they are refused
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path, told: str) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"{told} needs a package that is not installed\n  pip install 'ocr-trainer-dbnet[safetensors]'"
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{told} cannot be read: {error}") from error


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

"""Load published weights into a backbone and account for every tensor of the file and the network."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor, nn

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.content import is_finite, unusable_tensor
from ocr_trainer.checkpoint.hub import fetch
from ocr_trainer.config.security import refuse_unsafe_loading
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin.backbone import is_file

TABLES = ("model", "state_dict", "model_state_dict")
"""Keys of the state_dict in files that hold more, such as the epoch; they may be nested."""
PREFIXES = ("module.", "model.", "backbone.")
"""Prefixes of names in files of DataParallel, Lightning and detectors; they may follow each other."""
COUNTER = ".num_batches_tracked"
"""Suffix of a batch norm's counter. Older files lack it; it does not change the result."""
ADVICE = "if you trust its authors, save the tensors alone, as safetensors, with the software that it is from"
SHOWN = 5
"""Names listed in a message."""


def load_pretrained(network: nn.Module, weights: str) -> str:
    """Load weights with torchvision's or timm's names from a file or a repository of the hub.

    The file must have every tensor of the network; only counters may be missing. Tensors of parts that
    the network does not have, such as a classifier or the rest of a detector, are not used.

    Args:
        network: The network; it changes only if everything fits.
        weights: The path of a file, or OWNER/NAME of a repository.

    Returns:
        A line for the log: what was loaded and what was not used.

    Raises:
        CheckpointError: The weights are not available, cannot be read, or do not fit the network.
    """
    file = Path(weights) if is_file(weights) else fetch(weights)
    tensors = read_tensors(file, f"model.backbone.weights={weights}")
    wanted = network.state_dict()
    parts = {_part(name) for name in wanted}
    prefix = _prefix(tensors, wanted)
    renamed = {
        name: _name_in_network(name.removeprefix(prefix), parts)
        for name in tensors
        if name.startswith(prefix)
    }
    loaded = {new: tensors[name] for name, new in renamed.items() if _part(new) in parts}
    unused = [name for name in tensors if _part(renamed.get(name, "")) not in parts]
    rest = f"not used: {_abbreviate(unused)}" if unused else "all tensors of the file used"
    if mismatches := _mismatches(loaded, wanted):
        first = f"model.backbone.weights={weights} does not fit model.backbone.name:"
        raise CheckpointError("\n".join([first, *mismatches, f"  {rest}"]))
    network.load_state_dict(wanted | loaded)
    counters = "" if len(loaded) == len(wanted) else f" ({len(wanted) - len(loaded)} counters start at 0)"
    return f"{len(loaded)} of {len(wanted)} tensors loaded from {weights}{counters}, {rest}"


def _prefix(names: Collection[str], wanted: Collection[str]) -> str:
    """Return the prefix of the network's names in a file."""
    parts = {_part(name) for name in wanted}
    prefix = ""
    while not any(_name_in_network(name, parts) in wanted for name in names):
        more = next((p for p in PREFIXES if any(name.startswith(p) for name in names)), None)
        if more is None:
            return ""
        prefix += more
        names = [name.removeprefix(more) for name in names if name.startswith(more)]
    return prefix


def _name_in_network(name: str, parts: Collection[str]) -> str:
    """Return a tensor's name in the network: timm's extractors rename the files' `stages.0` to `stages_0`."""
    flat = name.replace(".", "_", 1)
    return flat if _part(flat) in parts else name


def _part(name: str) -> str:
    """Return the name of the top-level module that a tensor belongs to."""
    return name.partition(".")[0]


def _mismatches(loaded: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    shapes = [
        f"{name} is {tuple(loaded[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in loaded and loaded[name].shape != value.shape
    ]
    missing = [name for name in wanted if name not in loaded and not name.endswith(COUNTER)]
    unknown = [name for name in loaded if name not in wanted]
    groups = {"missing": missing, "unknown": unknown, "different shape": shapes}
    return [f"  {title}: {_abbreviate(names)}" for title, names in groups.items() if names]


def read_tensors(path: Path, option: str) -> dict[str, Tensor]:
    """Read a file of named tensors without running any code from it.

    Args:
        path: The file.
        option: The option that names it, for messages, such as `init_from=FILE`.

    Raises:
        CheckpointError: The file is missing, damaged, or not a state_dict.
    """
    try:
        tensors = _read_safetensors(path, option) if path.suffix == ".safetensors" else _read_torch(path)
    except CheckpointError:
        raise
    # zipfile, struct, pickle and torch each raise their own types for a damaged file.
    except Exception as error:
        reason = files.reason(error)
        advice = f"\n  {ADVICE}" if reason.startswith(files.OTHER[1]) else ""
        raise CheckpointError(f"{option} cannot be read: {reason}{advice}") from error
    for table in TABLES:
        if isinstance(tensors, dict) and isinstance(tensors.get(table), dict):
            tensors = tensors[table]
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        raise CheckpointError(f"{option} is not a state_dict (a table of named tensors)")
    if unusable := [f"{name} {why}" for name, value in tensors.items() if (why := unusable_tensor(value))]:
        raise CheckpointError(f"{option} cannot be used: {_abbreviate(unusable)}")
    if found := [name for name, value in tensors.items() if not is_finite(value)]:
        raise CheckpointError(f"{option} has weights that are not finite: {_abbreviate(found)}")
    return tensors


def _read_torch(path: Path) -> object:
    refuse_unsafe_loading()
    if zipfile.is_zipfile(path):  # older files are none
        files.check_sizes(path)
    with warnings.catch_warnings():
        # torch warns about pickles that it did not write, and then refuses them.
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path, option: str) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"{option} needs a package that is not installed\n  pip install 'ocr-trainer[safetensors]'"
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{option} cannot be read: it is no safetensors file, or damaged") from error


def _abbreviate(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

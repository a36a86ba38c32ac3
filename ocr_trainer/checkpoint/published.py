"""Weights to start from: a checkpoint of ocr-trainer, or weights that others have published.

A model's description lists the layouts of published weights that it can load (`PublishedWeights`). A layout
is a function that recognizes a file by the names and shapes of its tensors, and converts them.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ocr_trainer.checkpoint import files, read
from ocr_trainer.checkpoint.pretrained import read_tensors
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Kind, PublishedWeights, discovery
from ocr_trainer.plugin.contract import describe_exception
from ocr_trainer_runtime.text.visible import one_line

SHOWN = 3
"""Names listed in a message."""
OURS = b"ocr_trainer"
"""The key of the configuration, which the pickle of every checkpoint of ocr-trainer contains."""


@dataclass(frozen=True)
class Converted:
    """Published weights under the names of a model."""

    tensors: dict[str, Tensor]
    """The tensors, by their names in the model."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the model's architecture that follow from the names and shapes, as plain values."""
    charset: str = ""
    """The characters of a recognizer, in the order of its rows; empty if they are not known."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Tensors of the file that are left out on purpose, each with the reason."""


@dataclass(frozen=True)
class InitialWeights:
    """The weights of a file, under the names that the model uses."""

    path: Path
    tensors: dict[str, Tensor]
    config: Mapping[str, Any]
    """The configuration that the model had, as plain values: `model` and, for a recognizer, `charset`."""
    published: PublishedWeights | None = None
    """The description of published weights; None for a checkpoint of ocr-trainer."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Tensors of the file that are left out on purpose, each with the reason."""
    unknown: tuple[str, ...] = ()
    """Tensors of the file that its layout does not have."""


def strip_prefix(tensors: dict[str, Tensor], marker: str) -> bool:
    """Remove the prefix of the names of a network, such as `model.module.`, in place.

    Args:
        tensors: Tensors by name.
        marker: The name of a tensor that every such network has.

    Returns:
        Whether a tensor has that name, after a prefix or without one.
    """
    found = next((name for name in tensors if f".{name}".endswith(f".{marker}")), None)
    if found is None:
        return False
    prefix = found.removesuffix(marker)
    for name in list(tensors):
        if (bare := name.removeprefix(prefix)) not in tensors:
            tensors[bare] = tensors.pop(name)
    return True


def rename(tensors: dict[str, Tensor], rules: Mapping[str, str]) -> dict[str, Tensor]:
    """Remove the tensors that the rules name, and return them under their new names.

    If two tensors get the same name, the second one is not renamed and stays in `tensors`.

    Args:
        tensors: Tensors by name. Those that are returned are removed from it.
        rules: Maps regular expressions, which match whole names, to new names with references such as `\\1`.
    """
    renamed = {}
    for name in list(tensors):
        for pattern, new in rules.items():
            found = re.fullmatch(pattern, name)
            if found and (target := found.expand(new)) not in renamed:
                renamed[target] = tensors.pop(name)
                break
    return renamed


def open_initial(path: Path, model: str) -> InitialWeights:
    """Read the weights that a model starts from. No code in the file is run.

    Args:
        path: A checkpoint of ocr-trainer, of this or another model, or published weights for this model.
        model: The name of the model's plugin.

    Raises:
        CheckpointError: The file cannot be read, or is neither of these.
        PluginError: The model's plugin cannot be used.
    """
    if _is_ours(path):
        saved = read.read(path)
        return InitialWeights(path, read.model_state(saved), saved["ocr_trainer"]["config"])
    description = discovery.load_model(model)
    tensors = read_tensors(path, f"init_from={path}")
    for weights in description.published:
        rest = dict(tensors)
        converted = _convert(weights, rest, path, model)
        if converted is not None:
            config = {
                "model": {"name": model, **converted.options},
                "charset": {"characters": converted.charset},
            }
            return InitialWeights(
                path, converted.tensors, config, weights, converted.dropped, tuple(sorted(rest))
            )
    first = ", ".join(map(one_line, list(tensors)[:SHOWN])) or "none"
    known = ", ".join(weights.name for weights in description.published)
    raise CheckpointError(
        f"init_from={path} is neither a checkpoint of ocr-trainer nor published weights that model={model} "
        f"can load\n  its {len(tensors)} tensors: {first}{', …' if len(tensors) > SHOWN else ''}\n"
        f"  model={model} can load: checkpoints of ocr-trainer{f', {known}' if known else ''} "
        f"(ocr-train describe model {model})"
    )


def _convert(
    weights: PublishedWeights, tensors: dict[str, Tensor], path: Path, model: str
) -> Converted | None:
    """Convert tensors if they have the layout; tensors that it does not know remain in `tensors`.

    Raises:
        CheckpointError: The tensors have the layout, but cannot be used.
        PluginBroken: The layout's function cannot be imported, or returns a wrong type.
    """
    plugin = discovery.find(Kind.model, model)
    layout: Callable[[dict[str, Tensor]], object] = discovery.import_attribute(
        plugin, weights.layout, "layout"
    )
    try:
        converted = layout(tensors)
    except ValueError as error:
        raise CheckpointError(
            f"init_from={path} has weights of {weights.name}, but model={model} cannot use them: {error}"
        ) from error
    # What unexpected names or shapes raise depends on the code of the layout.
    except Exception as error:
        raise CheckpointError(
            f"init_from={path} has names of {weights.name}, but tensors are missing or have other shapes "
            f"({describe_exception(error)})"
        ) from error
    if converted is not None and not isinstance(converted, Converted):
        reason = f"its layout {weights.layout} returns a {type(converted).__name__}, not a Converted"
        raise discovery.broken(plugin, reason)
    return converted


def _is_ours(path: Path) -> bool:
    """Return whether a file is a checkpoint of ocr-trainer, or a damaged one."""
    if path.is_dir() or (not zipfile.is_zipfile(path) and path.suffix == ".ckpt"):
        return True  # reading it reports what is wrong
    if path.suffix == ".safetensors" or not zipfile.is_zipfile(path):
        return False
    try:
        files.check_sizes(path)
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return any(OURS in archive.read(name) for name in pickles)
    except Exception:  # zipfile raises many types; reading the file reports what is wrong
        return path.suffix == ".ckpt"

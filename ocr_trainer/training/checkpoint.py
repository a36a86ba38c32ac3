"""Reading a checkpoint: it holds plain values only, and rebuilds its model by itself."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from ocr_trainer.errors import CheckpointError

FORMAT = 1
"""The version of what a checkpoint holds under `ocr_trainer`."""


def read(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint of ours holds; nothing in it can run code.

    Raises:
        CheckpointError: It is damaged, or it is not ours.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # torch's reader says any of these of a damaged file.
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason}") from error
    ours = checkpoint.get("ocr_trainer") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} was not written by ocr-train: it does not say which model it is of")
    if ours.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {ours.get('format')}; this version of ocr-trainer reads {FORMAT}"
        )
    return checkpoint


def model_state(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the model's own part of the weights, under the model's names."""
    prefix = "model."
    return {
        name.removeprefix(prefix): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }


def set_options(path: Path, options: dict[str, Any], calibration: dict[str, Any]) -> None:
    """Put what calibration chose into a checkpoint, in place: written beside it and renamed."""
    checkpoint = read(path)
    ours = checkpoint["ocr_trainer"]
    ours["config"]["model"] |= options
    ours["calibration"] = calibration
    beside = path.with_name(f".{path.name}.new")
    torch.save(checkpoint, beside)
    beside.replace(path)

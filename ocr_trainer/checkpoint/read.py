"""Reading checkpoints: checked first, they hold plain values only and rebuild their model by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.upgrade import upgrade
from ocr_trainer.config.security import refuse_unsafe_loading
from ocr_trainer.errors import CheckpointError

FORMAT = 2
"""The version of what a checkpoint holds under `ocr_trainer`; 1 lacks the position in training."""

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
"""What a run keeps: its latest state, the one before, and the one that scored best."""


def read(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint of ours holds; nothing in it can run code.

    Raises:
        CheckpointError: It is damaged, or it is not ours.
    """
    refuse_unsafe_loading()
    path = Path(path)
    try:
        files.verify(path)
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # zipfile, struct, zlib, pickle and torch each raise their own types on a damaged file.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason}") from error
    ours = checkpoint.get("ocr_trainer") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} was not written by ocr-train: it does not say which model it is of")
    if ours.get("format") not in (1, FORMAT):
        raise CheckpointError(
            f"{path} has format {ours.get('format')}; this version of ocr-trainer reads 1 to {FORMAT}"
        )
    upgrade(checkpoint)
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
    """Put what calibration chose into a checkpoint, in its place.

    Raises:
        CheckpointError: It cannot be read, or not be written again; it stays as it was.
    """
    checkpoint = read(path)
    ours = checkpoint["ocr_trainer"]
    ours["config"]["model"] |= options
    ours["calibration"] = calibration
    try:
        files.write(checkpoint, path)
    except OSError as error:
        raise CheckpointError(
            f"what calibration chose cannot be written to {path}: {error.strerror or error}\n"
            "  choose without it: calibrate.enabled=false"
        ) from error


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint that a run goes on from."""

    path: Path
    content: dict[str, Any]
    passed_over: list[str] = field(default_factory=list)
    """Why newer ones cannot be used."""


def find_newest(folder: Path) -> ResumePoint | None:
    """Return the newest checkpoint in a folder that is whole and can be gone on from.

    Raises:
        CheckpointError: There are some, but none that can be used.
    """
    found, faults = [], []
    for path in (folder / LAST, folder / PREVIOUS, folder / BEST):
        if not path.is_file():
            continue
        try:
            content = read(path)
        except CheckpointError as error:
            faults.append(str(error))
            continue
        place = content["ocr_trainer"].get("place")
        if place is not None and place["whole_step"]:
            found.append((content["global_step"], ResumePoint(path, content, faults)))
            if path.name == LAST:
                break  # the others are never newer
        else:
            faults.append(f"{path} does not say where training was")
    if found:
        # Of equals the first: what calibration wrote into the best one is no part of training.
        return max(found, key=lambda one: one[0])[1]
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise CheckpointError(f"none of the checkpoints in {folder} can be gone on from:{listed}")
    return None


def prepare_folder(folder: Path, found: ResumePoint | None) -> None:
    """Have what is gone on from be the last checkpoint; remove what was left half written.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    try:
        files.tidy(folder)
        if found is not None and found.path.name != LAST:
            # A damaged last one would be kept as the previous one, in place of this.
            files.link_as(found.path, folder / LAST)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written: {error.strerror or error}") from error

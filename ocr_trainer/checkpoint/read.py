"""Read checkpoints: verified, without code in them, and sufficient to rebuild their model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.content import check_resumable, check_usable
from ocr_trainer.checkpoint.upgrade import upgrade
from ocr_trainer.config.security import refuse_unsafe_loading
from ocr_trainer.errors import CheckpointError, ConfigError

FORMAT = 2
"""The version of a checkpoint's content under the key `ocr_trainer`; 1 lacks the position in training."""

ADVICE = "give a file that ocr-train wrote, such as checkpoints/best.ckpt in the folder of a run"

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
"""The checkpoints of a run: its latest state, the state before it, and the state with the best score."""


def read(path: str | Path) -> dict[str, Any]:
    """Return the content of a checkpoint of ocr-trainer, tensors on the CPU. No code in it is run.

    Raises:
        CheckpointError: The file is damaged, or ocr-trainer did not write it.
    """
    refuse_unsafe_loading()
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a checkpoint")
    try:
        files.verify(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what it then refuses
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # zipfile, struct, zlib, pickle and torch each raise their own types on a damaged file.
    except Exception as error:
        reason = files.reason(error)
        advice = f"\n  {ADVICE}" if reason.startswith(files.OTHER) else ""
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason}{advice}") from error
    ours = checkpoint.get("ocr_trainer") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} was not written by ocr-train: it does not name its model\n  {ADVICE}")
    if ours.get("format") not in (1, FORMAT):
        raise CheckpointError(
            f"{path} has format {ours.get('format')}; this version of ocr-trainer reads 1 to {FORMAT}"
        )
    try:
        upgrade(checkpoint, path)
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    check_usable(checkpoint, path)
    return checkpoint


def model_state(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights of the model in a checkpoint, under the model's own names."""
    prefix = "model."
    return {
        name.removeprefix(prefix): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }


def misfit(model: nn.Module, checkpoint: dict[str, Any]) -> str | None:
    """Return the first tensor, by name, that a model and a checkpoint do not both have in one form.

    The precision may differ, but torch also copies whole numbers, truth values and complex numbers to
    weights, without a word.
    """
    own, saved = model.state_dict(), model_state(checkpoint)
    for name in sorted(own.keys() | saved.keys()):
        there, here = (tuple(state[name].shape) if name in state else None for state in (saved, own))
        if there != here:
            return f"{name} is {there} there, {here} here"
        kinds = [_kind_of_numbers(state[name].dtype) for state in (saved, own)]
        if kinds[0] != kinds[1]:
            return f"{name} holds {kinds[0]} there, {kinds[1]} here"
    return None


def _kind_of_numbers(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "complex numbers"
    if dtype.is_floating_point:
        return "fractions"
    return "truth values" if dtype == torch.bool else "whole numbers"


def set_options(path: Path, options: dict[str, Any], calibration: dict[str, Any]) -> None:
    """Write calibrated options into a checkpoint.

    Args:
        path: The checkpoint.
        options: Model options to change.
        calibration: The entry of report.json.

    Raises:
        CheckpointError: The checkpoint cannot be read or written. It is unchanged.
    """
    checkpoint = read(path)
    ours = checkpoint["ocr_trainer"]
    ours["config"]["model"] |= options
    ours["calibration"] = calibration
    try:
        files.write(checkpoint, path)
    except OSError as error:
        raise CheckpointError(
            f"the calibrated options cannot be written to {path}: {error.strerror or error}\n"
            "  turn calibration off with calibrate.enabled=false"
        ) from error


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint that a run resumes from."""

    path: Path
    content: dict[str, Any]
    rejected: list[str] = field(default_factory=list)
    """Why newer checkpoints cannot be used."""


def find_newest(folder: Path) -> ResumePoint | None:
    """Return the newest checkpoint in a folder that is intact and can be resumed from, or None.

    Raises:
        CheckpointError: There are checkpoints, but none can be resumed from.
    """
    candidates: list[ResumePoint] = []
    rejected: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS, folder / BEST):
        if not path.exists():
            continue
        try:
            content = read(path)
            check_resumable(content, path)
        except CheckpointError as error:
            rejected.append(str(error))
            continue
        candidates.append(ResumePoint(path, content, rejected))
        if path.name == LAST:
            break  # the others are never newer
    if candidates:
        # `max` returns the first of equals: calibration may have changed best.ckpt.
        return max(candidates, key=lambda point: point.content["global_step"])
    if rejected:
        listed = "".join(f"\n  {reason}" for reason in rejected)
        raise CheckpointError(f"none of the checkpoints in {folder} can be resumed from:{listed}")
    return None


def prepare_folder(folder: Path, point: ResumePoint | None) -> None:
    """Make the resume point the last checkpoint, and remove temporary files of killed processes.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    try:
        files.tidy(folder)
        if point is not None and point.path.name != LAST:
            # The next save renames last.ckpt to previous.ckpt: a damaged one would replace the resume point.
            files.link_as(point.path, folder / LAST)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written: {error.strerror or error}") from error

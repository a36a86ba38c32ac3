"""The pipeline of trained models: from checkpoints to a detector followed by a recognizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import ConfigError
from ocr_trainer.evaluation.rebuild import rebuild
from ocr_trainer.tasks.detection.config import TilesConfig
from ocr_trainer.tasks.detection.heights import least_learned
from ocr_trainer_runtime.pipeline import Pipeline, only_margin

Saved = tuple[RunConfig, dict[str, Any]]
"""A run and the content of its checkpoint."""


def open_pipeline(
    detector: Saved | None,
    recognizer: Saved | None,
    margin: float | None,
    folder: Path,
    device: str | None = None,
) -> Pipeline:
    """Rebuild the models of checkpoints.

    Args:
        detector: The detector, or None.
        recognizer: The recognizer, or None.
        margin: The margin to crop around a text, as a share of its height; None for the margin that the
            recognizer was trained with.
        folder: Where results go.
        device: Where to run the models; None for the GPU if there is one.

    Raises:
        OcrTrainerError: A checkpoint or the device cannot be used, or the recognizer was trained with
            several margins.
    """
    try:
        on = default_device() if device is None else torch.zeros((), device=device).device
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ConfigError(f"device={device!r} cannot be used: {str(error).splitlines()[0]}") from error
    finds, reads = (
        None if saved is None else rebuild(*saved, folder).to(on) for saved in (detector, recognizer)
    )
    if detector is not None and recognizer is not None and margin is None:
        margin = trained_margin(recognizer[1]["ocr_trainer"]["config"])
    tiles = getattr(detector[0], "tiles", None) if detector is not None else None
    least = least_learned(detector[1]["ocr_trainer"]) if detector is not None else None
    return Pipeline(finds, reads, margin or 0.0, tiles or TilesConfig(), least)


def default_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def trained_margin(config: Mapping[str, Any]) -> float:
    """Return the margin of the crops that a saved configuration trained on, as a share of the text height.

    It is 0 for a recognizer that was not trained on crops of pages.

    Raises:
        ConfigError: The datasets have different margins.
    """
    return only_margin(trained_margins(config))


def trained_margins(config: Mapping[str, Any]) -> list[float]:
    """Return the margins of the crops that a saved configuration trained on, each once, in order."""
    return sorted(set(_margins(config.get("dataset", {}))))


def _margins(options: Mapping[str, Any]) -> Iterator[float]:
    """Yield the margin of each `crops` dataset in the options of a dataset, which may be nested."""
    if options.get("name") == "crops":
        yield float(options["margin"])
    for value in options.values():
        if isinstance(value, Mapping):
            yield from _margins(value)

"""Calibration: choose a trained detector's decoding options on validation data.

Each setting is decoded once, at the lowest score threshold, and its detections are matched at all thresholds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ocr_trainer.config.schema import plain
from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.types import Batch, GroundTruth
from ocr_trainer.metrics import icdar
from ocr_trainer.tasks.detection.detector import Detector
from ocr_trainer.tasks.detection.scoring import Outputs, decode, images_of, run_network, threads

SCORE_THRESHOLDS = np.round(np.arange(0.3, 0.91, 0.05), 2)

Setting = dict[str, Any]
"""Decoding options of the model, by name."""


@dataclass(frozen=True)
class Calibration:
    """The chosen setting and its gain."""

    chosen: Setting
    before: float
    """hmean with the configured options."""
    after: float
    """hmean with the chosen options, on the same images."""
    images: int
    tried: int
    """How many settings were compared."""

    def to_dict(self) -> dict[str, Any]:
        """Return the form that report.json and checkpoints have."""
        return {
            "split": "val",
            "chosen": {name: plain(value) for name, value in self.chosen.items()},
            "hmean_before": round(self.before, 4),
            "hmean_after": round(self.after, 4),
            "images": self.images,
            "settings_tried": self.tried,
        }


def calibrate(
    model: Detector,
    batches: Iterable[Batch],
    device: torch.device,
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Calibration | None:
    """Find the setting with the best hmean (IoU above 0.5) and put it into `model.config`.

    Args:
        model: A trained model; left on `device`, in evaluation mode.
        batches: Batches of validation data.
        device: Where to run the network.
        precision: Makes the context manager to run the network in, as in validation.

    Returns:
        The choice, or None if the model offers no options or no setting finds any text.
    """
    offered = model.calibrations()
    option = model.score_option
    if not offered or option is None:
        return None
    configured: Any = model.config
    own = float(getattr(configured, option))
    levels = np.unique(np.append(SCORE_THRESHOLDS, own))
    settings = [{}, *offered]
    # Shallow copies share the weights; each has its own config and decodes in a thread.
    variants = [_variant(model, {**setting, option: float(levels[0])}) for setting in settings]
    counts = np.zeros((len(settings), len(levels), 3), dtype=np.int64)
    images = 0
    model.to(device).eval()
    with ThreadPoolExecutor(threads()) as pool, torch.inference_mode():
        for batch in batches:
            if not len(batch):
                continue
            with precision():
                outputs = run_network(model, batch, batch.images.to(device))
            # Copy to the host once, not in each variant's thread.
            outputs = {name: value.cpu() for name, value in outputs.items()}
            for one, truth in zip(images_of(outputs, batch.ground_truths), batch.ground_truths, strict=True):
                count = partial(_count, outputs=one, truth=truth, levels=levels)
                counts += np.stack(list(pool.map(count, variants)))
                images += 1
    counts, images = all_reduce_sum(counts), int(all_reduce_sum(np.array(images)))
    hmeans = 2 * counts[..., 0] / np.maximum(counts[..., 1] + counts[..., 2], 1)
    before = float(hmeans[0, levels == own][0])
    if not hmeans.any():
        return None
    best, level = np.unravel_index(int(hmeans.argmax()), hmeans.shape)
    chosen = {**settings[best], option: float(levels[level])} if hmeans[best, level] > before else {}
    model.config = replace(configured, **chosen)
    return Calibration(chosen, before, float(hmeans[best, level]), images, hmeans.size)


def _variant(model: Detector, setting: Setting) -> Detector:
    variant = copy.copy(model)
    variant.config = replace(variant.config, **setting)  # type: ignore[type-var]
    return variant


def _count(variant: Detector, outputs: Outputs, truth: GroundTruth, levels: np.ndarray) -> np.ndarray:
    """Return matches, ground truths and detections at each score threshold: int64, (levels, 3)."""
    found = decode(variant, outputs, truth)
    overlaps = icdar.overlaps(truth.polygons, truth.ignore, found.polygons)
    scores = found.scores[overlaps.detections]
    counts = [overlaps.match(keep=scores >= level) for level in levels]
    return np.array([[c.matched, c.cared_truths, c.cared_detections] for c in counts], dtype=np.int64)

"""Choosing how a model decodes, on validation data, once it is trained.

The score threshold is not tried one by one: each setting is decoded once with a low threshold and
matched at all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
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
from ocr_trainer.tasks.detection.scoring import Outputs, decode, images_of, threads

SCORE_THRESHOLDS = np.round(np.arange(0.3, 0.91, 0.05), 2)

Setting = dict[str, Any]
"""Options of the model's decoding, by name."""


@dataclass(frozen=True)
class Calibration:
    """What was chosen, and what it brought."""

    chosen: Setting
    before: float
    """hmean with the settings of the configuration."""
    after: float
    """hmean with the chosen ones, on the same images."""
    images: int
    tried: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as report.json and checkpoints keep it."""
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
    """Find the settings with the best hmean (IoU above one half) and put them into `model.config`.

    Args:
        model: Trained; left in evaluation mode.
        batches: Of validation data.
        device: Where the network runs.
        precision: Makes the context it runs in, as in validation.

    Returns:
        What was chosen; nothing where the model offers no choice or there is no text to find.
    """
    offered = model.calibrations()
    option = model.score_option
    if not offered or option is None:
        return None
    present: Any = model.config
    own = float(getattr(present, option))
    levels = np.unique(np.append(SCORE_THRESHOLDS, own))
    settings = [{}, *offered]
    # Copies that share the weights: each decodes in its own way, in threads.
    variants = [_variant(model, {**setting, option: float(levels[0])}) for setting in settings]
    counts = np.zeros((len(settings), len(levels), 3), dtype=np.int64)
    images = 0
    model.to(device).eval()
    with ThreadPoolExecutor(threads()) as pool, torch.inference_mode():
        for batch in batches:
            if not len(batch):
                continue
            with precision():
                outputs = model(batch.images.to(device))
            # Once, and not by each variant.
            outputs = {name: value.cpu() for name, value in outputs.items()}
            for one, truth in zip(images_of(outputs, len(batch)), batch.ground_truths, strict=True):
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
    model.config = replace(present, **chosen)
    return Calibration(chosen, before, float(hmeans[best, level]), images, hmeans.size)


def _variant(model: Detector, setting: Setting) -> Detector:
    variant = copy.copy(model)
    variant.config = replace(variant.config, **setting)  # type: ignore[type-var]
    return variant


def _count(variant: Detector, outputs: Outputs, truth: GroundTruth, levels: Sequence[float]) -> np.ndarray:
    """Return matched, truths and detections at each score threshold: int64, (levels, 3)."""
    found = decode(variant, outputs, truth)
    overlaps = icdar.overlaps(truth.polygons, truth.ignore, found.polygons)
    scores = found.scores[overlaps.detections]
    counts = [overlaps.match(keep=scores >= level) for level in levels]
    return np.array([[c.matched, c.cared_truths, c.cared_detections] for c in counts], dtype=np.int64)

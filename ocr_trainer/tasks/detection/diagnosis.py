"""Why a detector's score is near zero, and what to do about it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from ocr_trainer.data.types import GroundTruth
from ocr_trainer.metrics.tally import Tally
from ocr_trainer.tasks.detection.detector import Detector
from ocr_trainer.tasks.detection.scoring import Outputs, decode

NEAR_ZERO = 0.05
"""An hmean below this is explained to the user."""


def diagnose(tally: Tally, model: Detector, outputs: Outputs, truth: GroundTruth) -> str | None:
    """Return why almost nothing was matched, or None if hmean is at least `NEAR_ZERO`.

    Args:
        tally: The counts of the whole split.
        model: The model in its current state.
        outputs: The outputs of the latest image of the split.
        truth: The ground truth of that image.
    """
    counts = tally.icdar
    if counts.hmean >= NEAR_ZERO:
        return None
    if not tally.images:
        return "none of the images could be read"
    if tally.outside > counts.cared_truths / 2:
        return f"{tally.outside} labels lie outside their images: they seem made for images of another size"
    if not counts.cared_truths:
        return f"none of the {tally.images} images has text to find: are the labels in the right place?"
    if tally.empty == tally.images:
        return _nothing_found(model, outputs, truth)
    unseen, hardly, nearly, _ = tally.best_iou[0].tolist()
    if nearly > counts.cared_truths / 3:
        return (
            f"{nearly} of {counts.cared_truths} texts are found at an IoU of 0.3 to 0.5, which is too low: "
            "the boxes are too tight or too loose; look at the images, and at how regions are grown"
        )
    return (
        f"of {counts.cared_truths} texts {unseen} are not touched by any box, {hardly} overlap one at an IoU"
        f" up to 0.3 and {nearly} up to 0.5; there are {counts.cared_detections} boxes: usual early in"
        " training; later, look at the images for labels that lie beside the text"
    )


def _nothing_found(model: Detector, outputs: Outputs, truth: GroundTruth) -> str:
    option = model.score_option
    config = getattr(model, "config", None)
    if option is not None and config is not None:
        # A shallow copy shares the weights; the model itself keeps its threshold.
        unthresholded = copy.copy(model)
        unthresholded.config = replace(config, **{option: 0.0})
        found = decode(unthresholded, outputs, truth)
        if found.polygons:
            limit, best = getattr(config, option), np.max(found.scores)
            return (
                f"no box is found: the {len(found.polygons)} regions in {truth.source} score below"
                f" model.{option}={limit:g}, the best {best:.2f}: train longer, or lower the threshold"
            )
    return "no box is found, and there is no candidate region: the model sees no text yet"

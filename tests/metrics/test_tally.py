"""The counts of a detector's images: by height, by aspect ratio and by score threshold."""

from __future__ import annotations

import numpy as np
from helpers.mirror import box
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.types import Detections, GroundTruth
from ocr_trainer.metrics import icdar
from ocr_trainer.metrics.tally import THRESHOLDS, tally_image


def truth(polygons: list[np.ndarray], texts: list[str] | None = None) -> GroundTruth:
    texts = texts if texts is not None else ["text"] * len(polygons)
    return GroundTruth(polygons, texts, np.zeros(len(polygons), bool), "here", (400, 400), (1.0, 1.0))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_the_curve_is_what_matching_the_rest_by_itself_gives(ground_truths: int, found: int, seed: int):
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> list[np.ndarray]:
        return [box(*rng.uniform(0, 60, 2), *rng.uniform(10, 60, 2)) for _ in range(count)]

    gt, polygons, scores = boxes(ground_truths), boxes(found), rng.random(found).astype(np.float32)
    tally = tally_image(truth(gt), Detections(polygons, scores))
    for threshold, row in zip(THRESHOLDS, tally.curve.tolist(), strict=True):
        left = [polygon for polygon, score in zip(polygons, scores, strict=True) if score >= threshold]
        counts = icdar.match(gt, np.zeros(ground_truths, bool), left)
        assert row == [counts.matched, counts.cared_truths, counts.cared_detections]
    assert tally.heights[:, 0].sum() == tally.aspects[:, 0].sum() == tally.best_iou.sum() == ground_truths
    assert tally.heights[:, 1].sum() == tally.heights[:, 3].sum() == tally.icdar.matched


def test_classes_of_height_and_aspect_go_by_the_pixels_that_the_model_sees():
    half = GroundTruth([box(0, 0, 200, 40)], ["wide"], np.array([False]), "here", (200, 200), (0.5, 0.5))
    details = tally_image(half, Detections([box(0, 0, 200, 40)], np.ones(1, np.float32))).details()
    (height,), (aspect,) = details["by_height"], details["by_aspect"]
    assert (height["from"], height["below"], height["hmean"]) == (16.0, 24.0, 1.0)
    assert (aspect["from"], aspect["below"], aspect["hmean"]) == (4.0, 8.0, 1.0)

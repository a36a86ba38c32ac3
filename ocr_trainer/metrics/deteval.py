"""DetEval: matches of one text with one detection, of one with several, and of several with one.

Follows Wolf and Jolion, "Object Count/Area Graphs for the Evaluation of Object Detection and Segmentation
Algorithms" (IJDAR 2006), as the Robust Reading site scores the ICDAR 2013 challenge with it. Areas are those
of the outlines, so quadrilaterals and curved texts follow the same rules as boxes. The site's script counts
both border pixels of a box; here, coordinates are continuous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_trainer.data.types import Detections, GroundTruth, Polygon
from ocr_trainer.metrics.areas import Regions, mostly_inside, shared_areas
from ocr_trainer.metrics.match_counts import MatchCounts, MatchMetric

ROUNDING = 4
"""Digits to which summed shares are rounded, so that 0.5 + 0.3 reaches 0.8."""


@dataclass(frozen=True)
class Rules:
    """When texts and detections match, and what a match is worth."""

    recall: float = 0.8
    """The share of a text's area that must be detected."""
    precision: float = 0.4
    """The share of a detection's area that must be text."""
    split: float = 0.8
    """The worth of a text found in pieces, and of each of its pieces."""
    merge: float = 1.0
    """The worth of a detection of several texts, and of each of these texts."""


RULES = Rules()
"""The rules of the ICDAR 2013 challenge."""


def evaluate(
    gt_polygons: Sequence[Polygon],
    gt_ignore: Sequence[bool] | np.ndarray,
    det_polygons: Sequence[Polygon],
    rules: Rules = RULES,
) -> MatchCounts:
    """Match the detections of one image with its ground truth, and count what the matches are worth.

    Polygons with fewer than 3 points or a coordinate that is not finite are ignored on both sides. A
    detection with more than `rules.precision` of its area inside a don't-care region is dropped.

    Args:
        gt_polygons: Ground truth, each float of shape (points, 2), in pixels.
        gt_ignore: bool, one per truth: don't-care regions, which count neither as missed nor as wrong.
        det_polygons: Detections, each float of shape (points, 2), in the same pixels.
        rules: When texts and detections match, and what a match is worth.
    """
    truths, detections = Regions.of(gt_polygons), Regions.of(det_polygons)
    dont_care = np.asarray(gt_ignore, dtype=bool)[truths.index]
    detections = detections[~mostly_inside(detections, truths[dont_care], rules.precision)]
    truths = truths[~dont_care]
    recalled, precise = _match(*_shares(truths, detections), rules)
    return MatchCounts(recalled, precise, len(truths), len(detections))


def _shares(truths: Regions, detections: Regions) -> tuple[np.ndarray, np.ndarray]:
    """Return the area that each pair shares over that of the truth, and over that of the detection.

    A crossing outline can have less area than it shares; its share is 1.
    """
    i, j, shared = shared_areas(truths, detections)
    i, j, shared = i[shared > 0], j[shared > 0], shared[shared > 0]
    recall, precision = np.zeros((2, len(truths), len(detections)))
    recall[i, j] = np.minimum(shared / truths.areas[i], 1)
    precision[i, j] = np.minimum(shared / detections.areas[j], 1)
    return recall, precision


def _match(recall: np.ndarray, precision: np.ndarray, rules: Rules) -> tuple[float, float]:
    """Return what the matches are worth on the side of the truths, and on that of the detections.

    The paper also limits the distance between centers. No boxes that overlap exceed the challenge's limit.
    """
    touching = recall > 0
    found, covered = recall >= rules.recall, precision >= rules.precision
    single = found & covered & (touching.sum(1, keepdims=True) == 1) & (touching.sum(0, keepdims=True) == 1)
    free_truths, free_detections = ~single.any(1), ~single.any(0)
    recalled = precise = float(single.sum())
    for truth in np.flatnonzero(touching.sum(1) > 1):
        pieces = covered[truth] & free_detections
        if round(recall[truth, pieces].sum(), ROUNDING) >= rules.recall:
            worth = rules.split if pieces.sum() > 1 else 1.0
            recalled, precise = recalled + worth, precise + worth * pieces.sum()
            free_truths[truth] = False
            free_detections &= ~pieces
    for detection in np.flatnonzero((touching.sum(0) > 1) & free_detections):
        texts = found[:, detection] & free_truths
        if round(precision[texts, detection].sum(), ROUNDING) >= rules.precision:
            worth = rules.merge if texts.sum() > 1 else 1.0
            recalled, precise = recalled + worth * texts.sum(), precise + worth
            free_truths &= ~texts
    return float(recalled), float(precise)


class DetEval(MatchMetric):
    """The metric DetEval."""

    def __init__(self, rules: Rules = RULES) -> None:
        super().__init__()
        self.rules = rules

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        self.counts += evaluate(target.polygons, target.ignore, prediction.polygons, self.rules)

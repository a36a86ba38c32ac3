"""ICDAR detection score: one-to-one matches with an intersection over union (IoU) above 0.5.

Follows the evaluation script of the ICDAR 2015 Robust Reading challenge (task 4.1). Outlines that cross
themselves count, on both sides, as in that script and in those of curved text (see `areas`). The version
behind the published results of MhLiao/DB (Liao et al., AAAI 2020) leaves them out, so that a bad detection
costs nothing there; for outlines that do not cross themselves, all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.metrics.areas import Regions, intersection_over_union, mostly_inside, shared_areas

DONT_CARE_SHARE = 0.5
"""A detection with more than this fraction of its area inside a don't-care region is not scored."""


@dataclass(frozen=True)
class Counts:
    """Counts behind the score of one image; the counts of several images add up."""

    matched: int = 0
    cared_truths: int = 0
    """Ground-truth polygons that are not don't-care."""
    cared_detections: int = 0
    """Detections that are not dropped for lying in a don't-care region."""
    pairs: tuple[tuple[int, int], ...] = ()
    """Matches in an image, as indices (truth, detection); empty in a sum over images."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.matched + other.matched,
            self.cared_truths + other.cared_truths,
            self.cared_detections + other.cared_detections,
        )

    @property
    def precision(self) -> float:
        """Fraction of detections that are matched; 0 without detections."""
        return self.matched / self.cared_detections if self.cared_detections else 0.0

    @property
    def recall(self) -> float:
        """Fraction of the ground truth that is matched; 0 without ground truth."""
        return self.matched / self.cared_truths if self.cared_truths else 0.0

    @property
    def hmean(self) -> float:
        """Harmonic mean of precision and recall (F1); 0 if both are 0."""
        total = self.cared_truths + self.cared_detections
        return 2 * self.matched / total if total else 0.0


@dataclass(frozen=True)
class Overlaps:
    """Overlaps of the ground truth and detections of an image, to be matched at any number of thresholds."""

    ground_truths: np.ndarray
    """Indices of the ground truth that is not don't-care."""
    detections: np.ndarray
    """Indices of the detections that are not dropped for lying in a don't-care region."""
    pairs: np.ndarray
    """int of shape (pairs, 2): positions in `ground_truths` and `detections` that overlap, sorted."""
    iou: np.ndarray
    """float64 of shape (pairs,)."""

    def match(self, iou_threshold: float = 0.5, keep: np.ndarray | None = None) -> Counts:
        """Match one to one, greedily in the given order: each truth takes the first free detection.

        Args:
            iou_threshold: The IoU must be strictly above this value; the challenge uses 0.5.
            keep: bool, one per position in `detections`: those to use. None uses all.
        """
        close = self.iou > iou_threshold
        kept = len(self.detections)
        if keep is not None:
            close &= keep[self.pairs[:, 1]]
            kept = int(np.count_nonzero(keep))
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for truth, detection in self.pairs[close].tolist():
            if truth not in matched and detection not in taken:
                matched[truth] = detection
                taken.add(detection)
        pairs = tuple((int(self.ground_truths[i]), int(self.detections[j])) for i, j in matched.items())
        return Counts(len(pairs), len(self.ground_truths), kept, pairs)


def overlaps(
    gt_polygons: Sequence[Polygon], gt_ignore: Sequence[bool] | np.ndarray, det_polygons: Sequence[Polygon]
) -> Overlaps:
    """Compute the overlaps of the detections and the ground truth of an image.

    Polygons with fewer than 3 points or a coordinate that is not finite are ignored on both sides. Those that
    cross themselves or have no area count.

    Args:
        gt_polygons: Ground truth, each float of shape (points, 2), in pixels.
        gt_ignore: bool, one per truth: don't-care regions, which count neither as missed nor as wrong.
        det_polygons: Detections, each float of shape (points, 2), in the same pixels.
    """
    gt, det = Regions.of(gt_polygons), Regions.of(det_polygons)
    return overlaps_of(gt, np.asarray(gt_ignore, dtype=bool)[gt.index], det)


def overlaps_of(gt: Regions, dont_care: np.ndarray, det: Regions) -> Overlaps:
    """Compute the overlaps of regions; see `overlaps`.

    Args:
        gt: Ground truth.
        dont_care: bool of shape (ground truth,): don't-care regions.
        det: Detections.
    """
    det = det[~mostly_inside(det, gt[dont_care], DONT_CARE_SHARE)]
    gt = gt[~dont_care]
    i, j, shared = shared_areas(gt, det)
    iou = intersection_over_union(shared, gt.areas[i], det.areas[j])
    return Overlaps(gt.index, det.index, np.stack([i, j], axis=1), iou)


def match(
    gt_polygons: Sequence[Polygon],
    gt_ignore: Sequence[bool] | np.ndarray,
    det_polygons: Sequence[Polygon],
    iou_threshold: float = 0.5,
) -> Counts:
    """Match the detections of one image with its ground truth; see `overlaps` and `Overlaps.match`."""
    return overlaps(gt_polygons, gt_ignore, det_polygons).match(iou_threshold)


def average_precision(confidences: np.ndarray, hits: np.ndarray, ground_truths: int) -> float:
    """Return the mean, over all truths, of the precision at which each was found, as in the ICDAR challenges.

    Args:
        confidences: float, one per detection of the whole dataset.
        hits: bool, one per detection: whether it is matched.
        ground_truths: Number of truths.
    """
    hits = hits[np.argsort(-confidences, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].sum() / ground_truths) if ground_truths else 0.0

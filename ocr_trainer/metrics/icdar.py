"""ICDAR detection score: one-to-one matches with an intersection over union (IoU) above 0.5.

Follows the evaluation script of the ICDAR 2015 Robust Reading challenge (task 4.1), in the version used
for the published results of MhLiao/DB (Liao et al., AAAI 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from ocr_trainer.data.types import Polygon

DONT_CARE_SHARE = 0.5
"""A detection with more than this fraction of its area inside a don't-care region is not scored."""


@dataclass(frozen=True)
class Counts:
    """Counts behind the score of one image; the counts of several images add up."""

    matched: int = 0
    cared_truths: int = 0
    """Ground-truth polygons that are valid and not don't-care."""
    cared_detections: int = 0
    """Detections that are valid and not dropped for lying in a don't-care region."""
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
    """Indices of the ground truth that is valid and not don't-care."""
    detections: np.ndarray
    """Indices of the detections that are valid and not dropped for lying in a don't-care region."""
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

    Polygons that cross themselves, have no area or are not finite are ignored on both sides.

    Args:
        gt_polygons: Ground truth, each float of shape (points, 2), in pixels.
        gt_ignore: bool, one per truth: don't-care regions, which count neither as missed nor as wrong.
        det_polygons: Detections, each float of shape (points, 2), in the same pixels.
    """
    ignored = np.asarray(gt_ignore, dtype=bool)
    gt, gt_index = _valid(gt_polygons)
    det, det_index = _valid(det_polygons)
    dont_care = ignored[gt_index]
    gt, gt_index, regions = gt[~dont_care], gt_index[~dont_care], gt[dont_care]

    scored = ~_inside(det, regions)
    det, det_index = det[scored], det_index[scored]

    i, j, shared = _overlaps(gt, det)
    order = np.lexsort((j, i))
    i, j, shared = i[order], j[order], shared[order]
    iou = shared / (shapely.area(gt[i]) + shapely.area(det[j]) - shared)
    return Overlaps(gt_index, det_index, np.stack([i, j], axis=1), iou)


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


def _valid(polygons: Sequence[Polygon]) -> tuple[np.ndarray, np.ndarray]:
    """Return the valid polygons as shapely objects, and their indices."""
    usable = [i for i, points in enumerate(polygons) if len(points) >= 3 and np.isfinite(points).all()]
    if not usable:
        return np.empty(0, dtype=object), np.empty(0, dtype=int)
    coordinates = np.concatenate([polygons[i] for i in usable]).astype(np.float64)
    owners = np.repeat(np.arange(len(usable)), [len(polygons[i]) for i in usable])
    shapes = shapely.polygons(shapely.linearrings(coordinates, indices=owners))
    valid = shapely.is_valid(shapes)
    return shapes[valid], np.asarray(usable)[valid]


def _overlaps(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices into `a` and `b` of the polygons that meet, and the area they share."""
    i, j = shapely.STRtree(b).query(a, predicate="intersects")
    return i, j, shapely.area(shapely.intersection(a[i], b[j]))


def _inside(det: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return which detections lie mostly inside a don't-care region."""
    i, _, shared = _overlaps(det, regions)
    inside = np.zeros(len(det), dtype=bool)
    inside[i[shared > DONT_CARE_SHARE * shapely.area(det[i])]] = True
    return inside

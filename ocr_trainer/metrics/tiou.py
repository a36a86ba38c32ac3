"""TIoU: matches at an IoU above 0.5, each worth its IoU less what is cut off or enclosed besides.

Follows Liu et al., "Tightness-aware Evaluation Protocol for Scene Text Detection" (CVPR 2019), and reproduces
the results that the authors publish for their script. Unlike them, IoU does not tell a detection that cuts a
word from one that leaves a margin around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from ocr_trainer.data.types import Detections, GroundTruth, Polygon
from ocr_trainer.metrics.areas import Regions, intersection_over_union
from ocr_trainer.metrics.icdar import overlaps_of
from ocr_trainer.metrics.match_counts import MatchCounts, MatchMetric

TOLERANCE = 0.01
"""A fraction up to this that is cut off, or belongs to another text, is not counted."""


def evaluate(
    gt_polygons: Sequence[Polygon], gt_ignore: Sequence[bool] | np.ndarray, det_polygons: Sequence[Polygon]
) -> MatchCounts:
    """Match the detections of one image one to one with its ground truth, and sum up how tight they are.

    Polygons with fewer than 3 points or a coordinate that is not finite are ignored on both sides.

    Args:
        gt_polygons: Ground truth, each float of shape (points, 2), in pixels.
        gt_ignore: bool, one per truth: don't-care regions, which count neither as missed nor as wrong. Where
            they lie in a detection of another text, they count as other text, as in the authors' script.
        det_polygons: Detections, each float of shape (points, 2), in the same pixels.
    """
    truths, detections = Regions.of(gt_polygons), Regions.of(det_polygons)
    dont_care = np.asarray(gt_ignore, dtype=bool)[truths.index]
    overlaps = overlaps_of(truths, dont_care, detections)
    pairs = np.array(overlaps.match().pairs, dtype=int).reshape(-1, 2)
    # From indices of the given polygons to positions in the regions.
    i, j = np.searchsorted(truths.index, pairs[:, 0]), np.searchsorted(detections.index, pairs[:, 1])
    shared = shapely.intersection(truths.shapes[i], detections.shapes[j])
    areas = shapely.area(shared)
    iou = intersection_over_union(areas, truths.areas[i], detections.areas[j])
    cut = truths.areas[i] - areas
    others = [
        _other_text(truths, truth, detections.shapes[detection])
        for truth, detection in zip(i, j, strict=True)
    ]
    outlier = shapely.area(others) - shapely.area(shapely.intersection(shared, others))
    return MatchCounts(
        float(np.sum(iou * _kept(cut, truths.areas[i]))),
        float(np.sum(iou * _kept(outlier, detections.areas[j]))),
        len(overlaps.ground_truths),
        len(overlaps.detections),
    )


def _other_text(truths: Regions, truth: int, detection: shapely.Geometry) -> shapely.Geometry:
    """Return the part of a detection that lies in other texts than the one it matches."""
    others = np.delete(truths.shapes, truth)
    return shapely.intersection(detection, shapely.union_all(others[shapely.intersects(others, detection)]))


def _kept(lost: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the share of areas that is not lost, from 0 to 1; 1 if what is lost is within the tolerance."""
    share = (lost / areas).clip(0, 1)  # a crossing outline can have less area than it shares or loses
    return np.where(share <= TOLERANCE, 1.0, 1 - share)


class Tiou(MatchMetric):
    """The metric TIoU."""

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        self.counts += evaluate(target.polygons, target.ignore, prediction.polygons)

"""Counts behind the ICDAR score of a detector: as a whole, and by text height, aspect and threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import cv2
import numpy as np

from ocr_trainer.data.types import Detections, GroundTruth, Polygon
from ocr_trainer.metrics import icdar

THRESHOLDS = np.round(np.arange(0.05, 1.0, 0.05), 2)
"""Score thresholds at which precision and recall are reported."""
HEIGHTS = (0.0, 8.0, 12.0, 16.0, 24.0, 48.0, 96.0, np.inf)
"""Edges of the bins of text height, in pixels of the image as the model sees it."""
ASPECTS = (1.0, 2.0, 4.0, 8.0, 16.0, np.inf)
"""Edges of the bins of aspect ratio, the long side over the short one."""
IOUS = (0.0, 1e-9, 0.3, 0.5, 1.0)
"""Edges of the bins of a ground truth's best IoU: untouched, poor, close, matched."""


def _zeros(rows: int, columns: int) -> Callable[[], np.ndarray]:
    return lambda: np.zeros((rows, columns), dtype=np.int64)


@dataclass
class Tally:
    """Counts that sum over images and over processes."""

    icdar: icdar.Counts = field(default_factory=icdar.Counts)
    curve: np.ndarray = field(default_factory=_zeros(len(THRESHOLDS), 3))
    """int64, (thresholds, 3): matches, ground truths, detections."""
    heights: np.ndarray = field(default_factory=_zeros(len(HEIGHTS) - 1, 4))
    """int64, (bins, 4): ground truths, matched ground truths, detections, matched detections."""
    aspects: np.ndarray = field(default_factory=_zeros(len(ASPECTS) - 1, 4))
    """int64, (bins, 4), as `heights`."""
    best_iou: np.ndarray = field(default_factory=_zeros(1, len(IOUS) - 1))
    """int64, (1, bins): ground truths by their best IoU."""
    images: int = 0
    empty: int = 0
    """Images without detections."""
    outside: int = 0
    """Ground truths that lie entirely outside their image."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def details(self) -> dict[str, Any]:
        """Return the scores by text height, by aspect ratio and by score threshold."""
        return {
            "by_height": _bins(HEIGHTS, self.heights),
            "by_aspect": _bins(ASPECTS, self.aspects),
            "by_threshold": [
                {"threshold": threshold, **_rates(ground_truths, matched, detections, matched)}
                for threshold, row in zip(THRESHOLDS.tolist(), self.curve.tolist(), strict=True)
                for matched, ground_truths, detections in [row]
            ],
        }


def tally_image(truth: GroundTruth, found: Detections) -> Tally:
    """Return the counts of one image. Polygons are in pixels of the original image."""
    overlaps = icdar.overlaps(truth.polygons, truth.ignore, found.polygons)
    counts = overlaps.match()
    scores = found.scores[overlaps.detections]
    swept = [overlaps.match(keep=scores >= threshold) for threshold in THRESHOLDS]
    hits = np.array(counts.pairs, dtype=int).reshape(-1, 2)
    true, seen = _sides(truth.polygons, truth.scale), _sides(found.polygons, truth.scale)
    kinds = (true[overlaps.ground_truths], true[hits[:, 0]], seen[overlaps.detections], seen[hits[:, 1]])
    best = np.zeros(len(overlaps.ground_truths))
    np.maximum.at(best, overlaps.pairs[:, 0], overlaps.iou)
    return Tally(
        icdar=icdar.Counts() + counts,
        curve=np.array([[c.matched, c.cared_truths, c.cared_detections] for c in swept], dtype=np.int64),
        heights=_histogram([sides[:, 0] for sides in kinds], HEIGHTS),
        aspects=_histogram([sides[:, 1] / sides[:, 0].clip(1e-6) for sides in kinds], ASPECTS),
        best_iou=_histogram([best], IOUS).T,
        images=1,
        empty=int(not found.polygons),
        outside=sum(_outside(polygon, truth) for polygon in truth.polygons),
    )


def _sides(polygons: Sequence[Polygon], scale: tuple[float, float]) -> np.ndarray:
    """Return the short and long side of each polygon's minimum rectangle, in the model's pixels: (n, 2)."""
    scaled = (np.ascontiguousarray(polygon * np.array(scale), dtype=np.float32) for polygon in polygons)
    return np.array([sorted(cv2.minAreaRect(points)[1]) for points in scaled]).reshape(-1, 2)


def _histogram(kinds: Sequence[np.ndarray], limits: Sequence[float]) -> np.ndarray:
    """Count each kind of values by bin: (bins, kinds)."""
    return np.stack([np.histogram(values, limits)[0] for values in kinds], axis=1)


def _bins(limits: Sequence[float], table: np.ndarray) -> list[dict[str, Any]]:
    """Return the scores by bin, without empty bins."""
    return [
        {
            "from": low,
            "below": high if np.isfinite(high) else None,
            "truths": row[0],
            "detections": row[2],
            **_rates(*row),
        }
        for low, high, row in zip(limits, limits[1:], table.tolist(), strict=False)
        if row[0] or row[2]
    ]


def _rates(ground_truths: int, hit_truths: int, detections: int, hit_detections: int) -> dict[str, float]:
    recall = hit_truths / ground_truths if ground_truths else 0.0
    precision = hit_detections / detections if detections else 0.0
    hmean = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "hmean": round(hmean, 4)}


def _outside(polygon: Polygon, truth: GroundTruth) -> bool:
    height, width = truth.size
    right, bottom = polygon.min(axis=0) * truth.scale
    return bool(right >= width or bottom >= height or (polygon.max(axis=0) <= 0).any())

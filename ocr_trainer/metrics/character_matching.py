"""CLEval's matching for one image: which detections contain characters of which ground truth texts.

Only pairs that touch are considered; a spatial index finds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from ocr_trainer.metrics.areas import even_odd
from ocr_trainer.metrics.character_points import Rings, centers

AREA_PRECISION = 0.3
"""Minimum fraction of a detection's area that must lie in the ground truth regions it is matched with."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of ground truths and detections that touch, sorted by ground truth and detection."""

    truth: np.ndarray
    """int, (pairs,): index of the ground truth."""
    detection: np.ndarray
    """int, (pairs,): index of the detection."""
    precision: np.ndarray
    """float32, (pairs,): fraction of the detection's area that lies in the ground truth."""
    characters: np.ndarray
    """int, (pairs,): number of the ground truth's characters that lie in the detection."""
    hits: np.ndarray
    """int, (hits, 2): index of each such character and index of its pair."""

    @property
    def touching(self) -> np.ndarray:
        """bool, (pairs,): whether the pair has a character in common."""
        return self.characters > 0

    def in_dont_care(self, ignored: np.ndarray, detections: int) -> np.ndarray:
        """Return which detections lie in a don't-care region, or in several that they touch.

        Args:
            ignored: bool, one per ground truth: don't-care.
            detections: Number of detections.

        Returns:
            bool, (detections,).
        """
        region = ignored[self.truth]
        inside = region & (self.precision >= AREA_PRECISION)
        touched = region & self.touching
        share = np.bincount(self.detection, weights=self.precision * touched, minlength=detections)
        return (np.bincount(self.detection[inside], minlength=detections) > 0) | (share >= AREA_PRECISION)

    def match(self, cared_truths: np.ndarray, cared_detections: np.ndarray) -> np.ndarray:
        """Return which pairs match: one to one, a split ground truth, or merged ground truths.

        Args:
            cared_truths: bool, one per ground truth: not don't-care.
            cared_detections: bool, one per detection: not don't-care.

        Returns:
            bool, (pairs,).
        """
        live = cared_truths[self.truth] & cared_detections[self.detection]
        strong = self.touching & (self.precision >= AREA_PRECISION)
        alone = (self._by_truth(strong) == 1) & (self._by_detection(strong) == 1)

        piece, part = strong & live, self.touching & live
        in_pieces = self._by_truth(piece) >= 2
        covered = self._by_detection(part * self.precision.astype(np.float64)) >= AREA_PRECISION
        return np.asarray((piece & (alone | in_pieces)) | (part & covered & (self._by_detection(part) >= 2)))

    def _by_truth(self, values: np.ndarray) -> np.ndarray:
        """Sum values over the pairs of each ground truth, and return for each pair the sum of its own."""
        return np.asarray(np.bincount(self.truth, weights=values)[self.truth])

    def _by_detection(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(self.detection, weights=values)[self.detection])

    def reading_orders(self, matched: np.ndarray) -> dict[int, list[int]]:
        """Return the detections of each matched ground truth in the order of its characters.

        As in the original implementation, each character places at most one detection, and of the
        detections that no character places, only the first is kept.
        """
        waiting: dict[int, list[int]] = {}
        for truth, detection in zip(
            self.truth[matched].tolist(), self.detection[matched].tolist(), strict=True
        ):
            waiting.setdefault(truth, []).append(detection)
        shared = matched & (self._by_truth(matched) > 1)
        character, pair = self.hits[shared[self.hits[:, 1]]].T
        order: dict[int, list[int]] = {truth: [] for truth in waiting}
        last = -1
        for here, truth, detection in sorted(
            zip(character.tolist(), self.truth[pair].tolist(), self.detection[pair].tolist(), strict=True)
        ):
            if here != last and detection in waiting[truth] and len(waiting[truth]) > 1:
                waiting[truth].remove(detection)
                order[truth].append(detection)
                last = here
        return {truth: [*found, waiting[truth][0]] for truth, found in order.items()}


def find_pairs(ground_truths: Rings, lengths: np.ndarray, ignored: np.ndarray, detections: Rings) -> Pairs:
    """Find the pairs of ground truths and detections of an image that touch.

    Args:
        ground_truths: Outlines of the ground truth, in pixels.
        lengths: int, one per ground truth: its number of characters.
        ignored: bool, one per ground truth: don't-care. The parts of these regions that overlap text are
            removed from them.
        detections: Outlines of the detections, in pixels.
    """
    # The polygon library of the original implementation truncates to whole pixels.
    found = Rings(np.trunc(detections.points), detections.sizes)
    shapes, regions = _shapes(found), _shapes(Rings(np.trunc(ground_truths.points), ground_truths.sizes))
    _cut_away(regions, ignored)
    points, owners = centers(ground_truths, lengths)
    character, holder = inside(points, found)
    # A text pairs with detections that contain its characters, a don't-care region with all that overlap it.
    dont_care = np.flatnonzero(ignored)
    near, close = shapely.STRtree(shapes).query(regions[dont_care], predicate="intersects")
    width = max(len(shapes), 1)
    keys = np.concatenate([owners[character] * width + holder, dont_care[near] * width + close])
    keys, pair = np.unique(keys, return_inverse=True)
    truth, detection = np.divmod(keys, width)

    pair = pair[: len(character)]
    area = found.areas[detection]
    shared = _shared_areas(regions[truth], shapes[detection])
    precision = np.divide(
        shared, area, out=np.zeros(len(keys), dtype=np.float32), where=area > 0, casting="same_kind"
    )
    count = np.bincount(pair, minlength=len(keys))
    return Pairs(truth, detection, precision, count, np.stack([character, pair], axis=1))


def _shapes(rings: Rings) -> np.ndarray:
    """Return valid shapely polygons."""
    if not len(rings.sizes):
        return np.empty(0, dtype=object)
    shapes = shapely.polygons(shapely.linearrings(rings.points, indices=rings.owners))
    crossing = ~shapely.is_valid(shapes)
    shapes[crossing] = [even_odd(shape) for shape in shapes[crossing]]
    return np.asarray(shapes)


def _shared_areas(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection area of each shape in `a` with the shape of the same index in `b`."""
    (of_a, upright_a), (of_b, upright_b) = _bounds(a), _bounds(b)
    low, high = np.maximum(of_a, of_b)[:, :2], np.minimum(of_a, of_b)[:, 2:]
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    # Intersections of axis-aligned boxes are cheap; only the others need shapely.
    slanted = ~(upright_a & upright_b)
    shared[slanted] = shapely.area(shapely.intersection(a[slanted], b[slanted]))
    return np.asarray(shared)


def _bounds(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return left, top, right, bottom of each shape, and whether it fills this box, as most texts do."""
    bounds = shapely.bounds(shapes)
    return bounds, shapely.area(shapes) == np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)


def _cut_away(shapes: np.ndarray, ignored: np.ndarray) -> None:
    """Remove the area of texts from don't-care regions, in place."""
    regions, texts = np.flatnonzero(ignored), np.flatnonzero(~ignored)
    i, j = shapely.STRtree(shapes[texts]).query(shapes[regions], predicate="intersects")
    met, first = np.unique(i, return_index=True)
    for region, near in zip(regions[met], np.split(texts[j], first[1:]), strict=False):
        shapes[region] = shapely.difference(shapes[region], shapely.union_all(shapes[near]))


def inside(points: np.ndarray, rings: Rings) -> tuple[np.ndarray, np.ndarray]:
    """Return which points lie in which polygons, as indices of both, sorted by point.

    A polygon includes its left and upper sides, but not its right and lower ones, so that a point on the
    side between two neighbors lies in exactly one. The original's polygon library uses the same rule.

    Args:
        points: float64, (points, 2).
        rings: The polygons. For polygons that cross themselves, the even-odd rule applies.
    """
    if not len(points) or not len(rings.sizes):
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    low = np.minimum.reduceat(rings.points, rings.starts)
    high = np.maximum.reduceat(rings.points, rings.starts)
    boxes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
    point, ring = shapely.STRtree(boxes).query(shapely.points(points))

    side = np.repeat(rings.starts[ring], rings.sizes[ring])
    first = np.cumsum(rings.sizes[ring]) - rings.sizes[ring]
    side += np.arange(len(side)) - np.repeat(first, rings.sizes[ring])
    x, y = np.repeat(points[point], rings.sizes[ring], axis=0).T
    (xi, yi), (xj, yj) = rings.points[side].T, rings.turned(rings.sizes - 1)[side].T
    spans = ((yi <= y) & (y < yj)) | ((yj <= y) & (y < yi))
    rise = np.where(spans, yj - yi, 1)
    crossed = spans & (x < (xj - xi) * (y - yi) / rise + xi)
    odd = np.add.reduceat(crossed, first, dtype=int) % 2 == 1 if len(ring) else np.empty(0, dtype=bool)
    order = np.lexsort((ring[odd], point[odd]))
    return point[odd][order], ring[odd][order]

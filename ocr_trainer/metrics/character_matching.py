"""Which detections hold characters of which truths: the matching of CLEval, of one image.

Only pairs that meet are ever looked at; they are found through a spatial index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from ocr_trainer.metrics.character_points import Rings, centers

AREA_PRECISION = 0.3
"""The share of a detection's area that must lie in the truths it is matched with."""


@dataclass(frozen=True)
class Pairs:
    """The truths and detections that meet, sorted by truth and detection."""

    truth: np.ndarray
    """int, (pairs,)."""
    detection: np.ndarray
    """int, (pairs,)."""
    precision: np.ndarray
    """float32, (pairs,): the share of the detection's area that lies in the truth."""
    characters: np.ndarray
    """int, (pairs,): how many of the truth's characters lie in the detection."""
    hits: np.ndarray
    """int, (hits, 2): each such character, and the place of the pair."""

    @property
    def touching(self) -> np.ndarray:
        """bool, (pairs,): with a character in common."""
        return self.characters > 0

    def in_dont_care(self, ignored: np.ndarray, detections: int) -> np.ndarray:
        """Tell which of the detections, bool, lie in a don't-care truth or in several that they touch."""
        region = ignored[self.truth]
        inside = region & (self.precision >= AREA_PRECISION)
        touched = region & self.touching
        share = np.bincount(self.detection, weights=self.precision * touched, minlength=detections)
        return (np.bincount(self.detection[inside], minlength=detections) > 0) | (share >= AREA_PRECISION)

    def match(self, cared_truths: np.ndarray, cared_detections: np.ndarray) -> np.ndarray:
        """Tell which pairs match, bool: one to one, a truth in pieces, or a detection of several truths.

        Args:
            cared_truths: bool, one per truth: those that are not don't-care.
            cared_detections: bool, one per detection: those that are not don't-care.
        """
        live = cared_truths[self.truth] & cared_detections[self.detection]
        strong = self.touching & (self.precision >= AREA_PRECISION)
        alone = (self._by_truth(strong) == 1) & (self._by_detection(strong) == 1)

        piece, part = strong & live, self.touching & live
        in_pieces = self._by_truth(piece) >= 2
        covered = self._by_detection(part * self.precision.astype(np.float64)) >= AREA_PRECISION
        return np.asarray((piece & (alone | in_pieces)) | (part & covered & (self._by_detection(part) >= 2)))

    def _by_truth(self, values: np.ndarray) -> np.ndarray:
        """Sum over the pairs of each truth; return the sum of each pair's."""
        return np.asarray(np.bincount(self.truth, weights=values)[self.truth])

    def _by_detection(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(self.detection, weights=values)[self.detection])

    def reading_orders(self, matched: np.ndarray) -> dict[int, list[int]]:
        """Return the detections of each matched truth in the order of the truth's characters.

        As in the original, a character puts one detection in its place at most, and of those that
        no character was left for only the first is read.
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
    """Find the truths and detections of an image that meet.

    Args:
        truths: Outlines of the ground truth.
        lengths: int, one per truth: its number of characters.
        ignored: bool, one per truth: don't-care. Where such a region overlaps text, it is cut away.
        detections: Outlines of the detections.
    """
    # The original's polygon library works on whole pixels.
    found = Rings(np.trunc(detections.points), detections.sizes)
    shapes, regions = _shapes(found), _shapes(Rings(np.trunc(ground_truths.points), ground_truths.sizes))
    _cut_away(regions, ignored)
    points, owners = centers(ground_truths, lengths)
    character, holder = inside(points, found)
    # Of texts, only those matter whose characters are found; of don't-care regions, all that overlap.
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
    """Return shapely polygons, made valid."""
    if not len(rings.sizes):
        return np.empty(0, dtype=object)
    shapes = shapely.polygons(shapely.linearrings(rings.points, indices=rings.owners))
    invalid = ~shapely.is_valid(shapes)
    # Crossing itself, it covers what lies within an odd number of turns; lines and points have no area.
    shapes[invalid] = shapely.buffer(shapely.make_valid(shapes[invalid]), 0)
    return np.asarray(shapes)


def _shared_areas(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the area that each of `a` shares with its partner in `b`."""
    (of_a, upright_a), (of_b, upright_b) = _bounds(a), _bounds(b)
    low, high = np.maximum(of_a, of_b)[:, :2], np.minimum(of_a, of_b)[:, 2:]
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    slanted = ~(upright_a & upright_b)
    shared[slanted] = shapely.area(shapely.intersection(a[slanted], b[slanted]))
    return np.asarray(shared)


def _bounds(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return left, top, right and bottom of each shape, and whether it fills that box, as most texts do."""
    bounds = shapely.bounds(shapes)
    return bounds, shapely.area(shapes) == np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)


def _cut_away(shapes: np.ndarray, ignored: np.ndarray) -> None:
    """Take the area of text out of don't-care regions, in place."""
    regions, texts = np.flatnonzero(ignored), np.flatnonzero(~ignored)
    i, j = shapely.STRtree(shapes[texts]).query(shapes[regions], predicate="intersects")
    met, first = np.unique(i, return_index=True)
    for region, near in zip(regions[met], np.split(texts[j], first[1:]), strict=False):
        shapes[region] = shapely.difference(shapes[region], shapely.union_all(shapes[near]))


def inside(points: np.ndarray, rings: Rings) -> tuple[np.ndarray, np.ndarray]:
    """Return which points lie in which polygons, as indices of both, sorted by point.

    Its left and upper sides belong to a polygon, its right and lower ones do not, so that a point
    between two neighbors lies in one of them. This is the rule of the original's polygon library.

    Args:
        points: float64, (points, 2).
        rings: The polygons; crossing itself, a polygon's inside is where the crossing number is odd.
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

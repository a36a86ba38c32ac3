"""Areas of outlines, and the areas that they share.

Functions import shapely when they need it: a run builds its metrics before the first step, but scores later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ocr_trainer.data.types import Polygon

if TYPE_CHECKING:
    import shapely


@dataclass(frozen=True)
class Regions:
    """Outlines as regions. One that crosses itself encloses what an odd number of its turns encloses."""

    shapes: np.ndarray
    """shapely geometries, of shape (regions,)."""
    areas: np.ndarray
    """float64 of shape (regions,), in square pixels; see `_areas`. That of an outline that crosses itself can
    differ from the area of its shape."""
    index: np.ndarray
    """int of shape (regions,): the place of each region's outline in the given sequence."""

    @classmethod
    def of(cls, polygons: Sequence[Polygon]) -> Self:
        """Return the regions of polygons.

        Args:
            polygons: Each float of shape (points, 2). Those with fewer than 3 points or a coordinate that is
                not finite are left out. Outlines that cross themselves or have no area are kept.
        """
        import shapely

        usable = [i for i, points in enumerate(polygons) if len(points) >= 3 and np.isfinite(points).all()]
        if not usable:
            return cls(np.empty(0, dtype=object), np.empty(0), np.empty(0, dtype=int))
        coordinates = np.concatenate([polygons[i] for i in usable]).astype(np.float64)
        owners = np.repeat(np.arange(len(usable)), [len(polygons[i]) for i in usable])
        shapes = shapely.polygons(shapely.linearrings(coordinates, indices=owners))
        crossing = ~shapely.is_valid(shapes)
        areas = shapely.area(shapes)
        shapes[crossing] = [even_odd(shape) for shape in shapes[crossing]]
        areas[crossing] = _areas(areas[crossing], shapely.area(shapes[crossing]))
        return cls(shapes, areas, np.asarray(usable))

    def __getitem__(self, chosen: np.ndarray) -> Self:
        return type(self)(self.shapes[chosen], self.areas[chosen], self.index[chosen])

    def __len__(self) -> int:
        return len(self.shapes)


def shared_areas(a: Regions, b: Regions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of regions that meet, as positions in `a` and `b`, and the area that each pair shares.

    Pairs are sorted.
    """
    import shapely

    i, j = shapely.STRtree(b.shapes).query(a.shapes, predicate="intersects")
    order = np.lexsort((j, i))
    i, j = i[order], j[order]
    return i, j, shapely.area(shapely.intersection(a.shapes[i], b.shapes[j]))


def mostly_inside(regions: Regions, others: Regions, share: float) -> np.ndarray:
    """Return which regions lie inside one of the others with more than a share of their area: (regions,)."""
    i, _, shared = shared_areas(regions, others)
    inside = np.zeros(len(regions), dtype=bool)
    inside[i[shared > share * regions.areas[i]]] = True
    return inside


def intersection_over_union(shared: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the IoU of pairs from the areas that they share and their own: (pairs,), from 0 to 1."""
    union = a + b - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    # Turns that cancel out can leave a crossing outline less area than it shares.
    return np.asarray(np.minimum(iou, 1.0))


def _areas(shoelace: np.ndarray, enclosed: np.ndarray) -> np.ndarray:
    """Return the areas of outlines that cross themselves.

    Published scripts take the absolute value of the shoelace formula, in which turns in opposite directions
    cancel out and what several turns enclose counts several times. Their figures need this. A figure of
    eight, of which more than half cancels out, would have next to no area and match whatever text it touches:
    it has the area that it encloses.
    """
    return np.where(2 * shoelace > enclosed, shoelace, enclosed)


def even_odd(shape: shapely.Polygon) -> shapely.Geometry:
    """Return what the outline of a polygon encloses an odd number of times, as a valid geometry."""
    import shapely

    ring = shapely.get_exterior_ring(shape)
    # make_valid would do, but for sides that lie on each other: it forgets that there are two.
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all([ring])]))
    x, y = shapely.get_coordinates(shapely.point_on_surface(faces)).T
    corners = shapely.get_coordinates(ring)
    (ax, ay), (bx, by) = corners[:-1].T[:, :, None], corners[1:].T[:, :, None]
    spans = (ay <= y) != (by <= y)
    crossed = spans & (x < ax + (y - ay) * (bx - ax) / np.where(spans, by - ay, 1))
    return shapely.union_all(faces[crossed.sum(axis=0) % 2 == 1])

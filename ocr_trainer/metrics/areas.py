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
    """float64 of shape (regions,), in square pixels."""
    index: np.ndarray
    """int of shape (regions,): the place of each region's outline in the given sequence."""

    @classmethod
    def of(cls, polygons: Sequence[Polygon], crossing: bool = True) -> Self:
        """Return the regions of polygons.

        Args:
            polygons: Each float of shape (points, 2). Those with fewer than 3 points or a coordinate that is
                not finite are left out.
            crossing: Keep outlines that cross themselves or have no area. If not, they are left out, too.
        """
        import shapely

        usable = [i for i, points in enumerate(polygons) if len(points) >= 3 and np.isfinite(points).all()]
        if not usable:
            return cls(np.empty(0, dtype=object), np.empty(0), np.empty(0, dtype=int))
        coordinates = np.concatenate([polygons[i] for i in usable]).astype(np.float64)
        owners = np.repeat(np.arange(len(usable)), [len(polygons[i]) for i in usable])
        shapes = shapely.polygons(shapely.linearrings(coordinates, indices=owners))
        valid = shapely.is_valid(shapes)
        shapes[~valid] = [_even_odd(shape) for shape in shapes[~valid]]
        regions = cls(shapes, shapely.area(shapes), np.asarray(usable))
        return regions if crossing else regions[valid]

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


def _even_odd(shape: shapely.Polygon) -> shapely.Geometry:
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(shape)))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])

"""CLEval's pseudo character centers: positions of a text's characters, estimated from its outline.

An outline starts where the text starts, runs along one side of it and back along the other. The midpoints
of opposite points form the center line, along which the characters are evenly spaced, as in Baek et al.,
"CLEval: Character-Level Evaluation for Text Detection and Recognition Tasks" (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ocr_trainer.data.types import Polygon

UPRIGHT = 0.5
"""A quadrilateral with an aspect ratio below this is taken for vertical text."""

MAX_ASSUMED_LENGTH = 10
"""Maximum number of characters that an unknown text is assumed to have."""


@dataclass(frozen=True)
class Rings:
    """Polygons of different numbers of points, concatenated in one array."""

    points: np.ndarray
    """float64, (points of all, 2)."""
    sizes: np.ndarray
    """int, (polygons,): the number of points of each."""

    @classmethod
    def of(cls, polygons: Sequence[Polygon]) -> Rings:
        """Concatenate polygons, each (points, 2)."""
        points = np.concatenate([np.empty((0, 2)), *polygons], dtype=np.float64)
        return cls(points, np.array([len(polygon) for polygon in polygons], dtype=int))

    @cached_property
    def starts(self) -> np.ndarray:
        """int, (polygons,): index of the first point of each polygon."""
        return np.asarray(np.cumsum(self.sizes) - self.sizes)

    @cached_property
    def owners(self) -> np.ndarray:
        """int, (points of all,): index of the polygon of each point."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def places(self) -> np.ndarray:
        """int, (points of all,): index of each point in its polygon."""
        return np.asarray(np.arange(len(self.points)) - self.starts[self.owners])

    def turned(self, steps: np.ndarray) -> np.ndarray:
        """Return the points with each polygon starting `steps` (int, one per polygon) points later."""
        index = self.starts[self.owners] + (self.places + steps[self.owners]) % self.sizes[self.owners]
        return np.asarray(self.points[index])

    @property
    def areas(self) -> np.ndarray:
        """float64, (polygons,): enclosed areas; parts with opposite orientation cancel out."""
        (x, y), (u, v) = self.points.T, self.turned(np.ones_like(self.sizes)).T
        return np.abs(np.bincount(self.owners, weights=x * v - u * y, minlength=len(self.sizes))) / 2

    @cached_property
    def paired(self) -> Rings:
        """The same outlines with an even number of points, so that each has an opposite point.

        If the number is odd, the first half gets one more point, in the middle of its longest edge.
        """
        odd = np.flatnonzero(self.sizes % 2)
        if not len(odd):
            return self
        places, cuts = [], []
        for start, size in zip(self.starts[odd], self.sizes[odd], strict=True):
            half = self.points[start : start + max(size // 2, 2)]
            longest = int(np.linalg.norm(np.diff(half, axis=0), axis=1).argmax())
            places.append(start + longest + 1)
            cuts.append(half[longest : longest + 2].mean(axis=0))
        return Rings(np.insert(self.points, places, cuts, axis=0), self.sizes + self.sizes % 2)

    @cached_property
    def aspect_ratios(self) -> np.ndarray:
        """float64, (polygons,): mean length of the two sides along the text over that of the two ends."""
        return self.paired._aspect_ratios()

    def _aspect_ratios(self) -> np.ndarray:
        size = self.sizes[self.owners]
        side = self.turned(np.ones_like(self.sizes)) - self.points
        length = np.sqrt(side[:, 0] * side[:, 0] + side[:, 1] * side[:, 1])
        is_end = (self.places == size - 1) | (2 * (self.places + 1) == size)
        across = np.bincount(self.owners, weights=length * is_end, minlength=len(self.sizes))
        along = np.bincount(self.owners, weights=length * ~is_end, minlength=len(self.sizes))
        return np.asarray((along / 2 + 1e-5) / (across / 2 + 1e-5))

    @property
    def assumed_lengths(self) -> np.ndarray:
        """int, (polygons,): assumed number of characters if the text is unknown."""
        ratio = np.maximum(self.aspect_ratios, 1 / self.aspect_ratios)
        return np.asarray(np.minimum(np.round(0.5 + ratio), MAX_ASSUMED_LENGTH).astype(int))


def centers(rings: Rings, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pseudo centers of the characters.

    Args:
        rings: Outlines of the texts, of at least 3 points each.
        lengths: int, one per polygon: its number of characters.

    Returns:
        The centers, float64, (characters, 2), and the index of the polygon of each, int, (characters,).
    """
    rings = rings.paired
    upright = (rings.sizes == 4) & (rings.aspect_ratios < UPRIGHT)
    points = rings.turned(np.where(upright, 3, 0))
    opposite = points[rings.starts[rings.owners] + rings.sizes[rings.owners] - 1 - rings.places]
    middle = (points + opposite) / 2  # only the first half of each polygon is used

    owners = np.repeat(np.arange(len(lengths)), lengths)
    length = lengths[owners]
    place = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    sections = rings.sizes[owners] // 2 - 1
    section = (2 * place + 1) * sections // (2 * length)
    start = rings.starts[owners] + section
    # Keep this order of operations: it reproduces CLEval's centers of quadrilaterals to the last bit.
    step = (middle[start + 1] - middle[start]) * sections[:, None] / length[:, None]
    return middle[start] + step / 2 + step * (place - section * length / sections)[:, None], owners

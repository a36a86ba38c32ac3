"""Long pages as overlapping tiles: where to cut, and how to merge what is found in the tiles.

A receipt of 600 x 9000 pixels that is shrunk until its long side suits the model has texts of a few pixels.
Its tiles have the shape of an ordinary page, so the model sees their texts as large as it has learned them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from ocr_trainer_runtime.detection.shared import shared_area, shared_areas
from ocr_trainer_runtime.options import TilesRule
from ocr_trainer_runtime.types import Detections, Image, Polygon

SHRUNK = 0.75
"""A page is cut if the model would see it at less than this share of the scale of its tiles."""
MAX_SCALE = 1.5
"""Tiles of narrow strips get longer until they are enlarged no more than this."""
MAX_PIXELS = 2**23
"""A long page is also cut if the model would see more pixels at once, however large it sees its texts."""
SAME = 0.5
"""Two detections in different tiles are of one text if they share more than this part of the smaller one."""
BORDER = 2.0
"""A detection as near as this to the border of its tile may be cut by it, in pixels of the model's image."""


class Scaled(Protocol):
    """A detector, as far as it says how large it sees a page."""

    def scale(self, height: int, width: int) -> float:
        """Return the factor that it resizes an image by."""


@dataclass(frozen=True)
class Tiling:
    """How a page is cut across its long side into tiles of one size."""

    size: tuple[int, int]
    """Height and width of the page, in pixels."""
    axis: int
    """The coordinate along which it is cut: 0 for x, 1 for y."""
    starts: tuple[int, ...]
    """Where the tiles start along that axis, in pixels."""
    length: int
    """Length of each tile along that axis, in pixels."""

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of each tile, in pixels."""
        height, width = self.size
        return (self.length, width) if self.axis == 1 else (height, self.length)

    @property
    def ends(self) -> np.ndarray:
        """Where the tiles end: int, (tiles,)."""
        return np.array(self.starts) + self.length

    def cut(self, image: Image) -> Iterator[Image]:
        """Yield the tiles of the page, which are views of it."""
        for start in self.starts:
            part = slice(start, start + self.length)
            yield image[part] if self.axis == 1 else image[:, part]


def plan(model: Scaled, height: int, width: int, config: TilesRule) -> Tiling | None:
    """Return how to cut a page, or None if the model takes it as a whole.

    Args:
        model: Its `scale` says how large it sees a page, and its tiles.
        height: Of the page, in pixels.
        width: Of the page, in pixels.
        config: The options.
    """
    long, short = max(height, width), min(height, width)
    if not config.enabled or long <= config.aspect / SHRUNK * short:
        return None

    def scale(length: int) -> float:
        return model.scale(length, width) if height > width else model.scale(height, length)

    length = _length(round(config.aspect * short), long, scale)
    whole = model.scale(height, width)
    shrunk = whole < min(1.0, SHRUNK * scale(length))
    if length >= long or not (shrunk or whole * whole * long * short > MAX_PIXELS):
        return None
    overlap = max(1, round(config.overlap * length))
    count = -(-(long - overlap) // (length - overlap))
    starts = tuple(round(place * (long - length) / (count - 1)) for place in range(count))
    return Tiling((height, width), int(height > width), starts, length)


def _length(least: int, most: int, scale: Callable[[int], float]) -> int:
    """Return the shortest length of a tile that is enlarged by no more than `MAX_SCALE`, or `most`."""
    if scale(least) <= MAX_SCALE:
        return least
    low, high = least, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if scale(middle) <= MAX_SCALE else (middle + 1, high)
    return low


def merge(tiling: Tiling, found: Sequence[Detections], border: float) -> Detections:
    """Merge the detections of the tiles of a page, so that no text is there twice or in pieces.

    - A detection that its tile cuts counts only where no other tile sees all of it.
    - Of detections of one text that their tiles do not cut, that which is farthest from the borders counts.
    - What remains cut is longer than the tiles overlap: its pieces, which look alike there, are joined.

    Args:
        tiling: The tiles.
        found: The detections of each tile, with polygons in pixels of the tile.
        border: How near to the border of its tile a detection may be cut by it, in pixels of the page.

    Returns:
        The detections of the page, in its pixels, in the order of the tiles.
    """
    pieces = _Pieces.of(tiling, found, border)
    groups = sorted(_join(pieces, *_choose(pieces)), key=min)
    return Detections(
        [pieces.joined(group, tiling.size) for group in groups],
        np.array([pieces.scores[group].mean() for group in groups], dtype=np.float32),
        list(dict.fromkeys(warning for detections in found for warning in detections.warnings)),
    )


@dataclass(frozen=True)
class _Pieces:
    """The detections of all tiles, in pixels of the page."""

    polygons: list[Polygon]
    scores: np.ndarray
    tile: np.ndarray
    """int, (pieces,): the tile of each."""
    margin: np.ndarray
    """float, (pieces,): distance from the borders of its tile, but for those that are the page's."""
    cut: np.ndarray
    """bool, (pieces,): whether its tile may cut it."""
    elsewhere: np.ndarray
    """bool, (pieces,): whether another tile sees all of it, and not at its border."""
    tiling: Tiling

    @classmethod
    def of(cls, tiling: Tiling, found: Sequence[Detections], border: float) -> _Pieces:
        tile = np.repeat(np.arange(len(found)), [len(detections.polygons) for detections in found])
        shift = np.zeros((len(tiling.starts), 2), dtype=np.float32)
        shift[:, tiling.axis] = tiling.starts
        local = [polygon for detections in found for polygon in detections.polygons]
        polygons = [polygon + shift[place] for polygon, place in zip(local, tile, strict=True)]
        spans = np.array([(p[:, tiling.axis].min(), p[:, tiling.axis].max()) for p in polygons]).reshape(
            -1, 2
        )
        # A tile does not cut at the ends of the page.
        low = np.array([-np.inf, *tiling.starts[1:]])
        high = np.array([*tiling.ends[:-1], np.inf])
        margins = np.minimum(spans[:, :1] - low, high - spans[:, 1:])  # of each piece in each tile
        margin = np.take_along_axis(margins, tile[:, None], axis=1)[:, 0]
        inside = margins > border
        inside[np.arange(len(tile)), tile] = False
        scores = np.concatenate([np.empty(0, np.float32), *(detections.scores for detections in found)])
        return cls(polygons, scores, tile, margin, margin <= border, inside.any(axis=1), tiling)

    def joined(self, group: list[int], size: tuple[int, int]) -> Polygon:
        """Return the outline around the pieces of one text, clipped to the page."""
        if len(group) == 1:
            return self.polygons[group[0]]
        points = np.concatenate([self.polygons[place] for place in group]).astype(np.float32)
        quads = all(len(self.polygons[place]) == 4 for place in group)
        outline = cv2.boxPoints(cv2.minAreaRect(points)) if quads else cv2.convexHull(points)[:, 0]
        first = int(outline.sum(axis=1).argmin())
        clipped: Polygon = np.roll(outline, -first, axis=0).clip(0, (size[1], size[0])).astype(np.float32)
        return clipped

    def alike(self, a: int, b: int) -> bool:
        """Return whether two pieces look alike in the overlap of their tiles."""
        tiles = sorted((int(self.tile[a]), int(self.tile[b])))
        low, high = self.tiling.starts[tiles[1]], int(self.tiling.ends[tiles[0]])
        height, width = self.tiling.size
        window = (low, 0, high, height) if self.tiling.axis == 0 else (0, low, width, high)
        one, other = self.polygons[a], self.polygons[b]
        both = shared_area([one, other], window)
        return both > SAME * (shared_area([one], window) + shared_area([other], window) - both)


def _choose(pieces: _Pieces) -> tuple[list[int], list[int]]:
    """Return the pieces that are whole texts, each text once, and those that remain cut."""
    i, j, share = _overlapping(pieces)
    same = share > SAME
    partners = _sets(i[same], j[same])
    kept: set[int] = set()
    whole = np.flatnonzero(~pieces.cut)
    for place in whole[np.argsort(-pieces.margin[whole], kind="stable")].tolist():
        if not kept & partners.get(place, set()):
            kept.add(place)
    return sorted(kept), np.flatnonzero(pieces.cut & ~pieces.elsewhere).tolist()


def _join(pieces: _Pieces, kept: list[int], cut: list[int]) -> list[list[int]]:
    """Return groups of pieces, one for each text; a group is more than one piece if the text is cut."""
    i, j, _ = _overlapping(pieces)
    among = np.isin(i, cut) & np.isin(j, [*kept, *cut])
    pairs = [(a, b) for a, b in zip(i[among].tolist(), j[among].tolist(), strict=True) if pieces.alike(a, b)]
    partners = _sets(*np.array([*pairs, *((b, a) for a, b in pairs)], dtype=int).reshape(-1, 2).T)
    waiting, groups = {*kept, *cut}, []
    for place in (*kept, *cut):
        if place not in waiting:
            continue
        group, grown = [], [place]
        waiting.discard(place)
        while grown:
            group.append(grown.pop())
            near = partners.get(group[-1], set()) & waiting
            waiting -= near
            grown += near
        groups.append(sorted(group))
    return groups


def _overlapping(pieces: _Pieces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of pieces in different tiles, and which part of the smaller one they share."""
    i, j, share = shared_areas(pieces.polygons)
    near = (pieces.tile[i] != pieces.tile[j]) & (share > 0)
    return i[near], j[near], share[near]


def _sets(i: np.ndarray, j: np.ndarray) -> dict[int, set[int]]:
    partners: dict[int, set[int]] = {}
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        partners.setdefault(a, set()).add(b)
    return partners

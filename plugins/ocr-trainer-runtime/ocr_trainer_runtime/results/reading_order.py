"""Reading order of the texts of a page: blocks of lines of texts.

First, the page is rotated so that most text is horizontal. Then a recursive XY-cut (Nagy & Seth,
"Hierarchical representation of optically scanned documents", 1984) divides it into blocks, with one
additional rule: a vertical gap divides the page only if the text on both sides fills its lines, as prose
in columns does. So the names and amounts of a receipt, and the cells of a table, stay together row by row.
Within a block, texts that overlap vertically with their neighbor form a line.

Texts are ordered from left to right, or from right to left if most letters of the page run that way. A run
of the other direction within a line keeps its own direction (Unicode Standard Annex 9, applied to whole
texts). Vertical writing, as in Japanese, is not supported: such a page is treated as lying on its side.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from ocr_trainer_runtime.types import Polygon

Layout = list[list[list[int]]]
"""Blocks of lines of text indices."""

MIN_LINES = 3
"""Minimum number of lines of a column."""
MIN_WIDTH = 8.0
"""Minimum width of a column, in text heights. Columns of amounts are narrower."""
MIN_FILL = 0.75
"""Minimum fraction of a column's width that its median line covers without a gutter. Tables have less."""
MIN_GUTTER = 1.0
"""Minimum width of a gutter between columns, in text heights. A space between words is about 0.3."""
SAME_LINE = 0.5
"""Neighbors in a line overlap vertically by more than this fraction of the smaller height."""
BINS_PER_HEIGHT = 4
"""Resolution of the search for gutters, in bins per text height."""


def reading_order(polygons: Sequence[Polygon], texts: Sequence[str] = ()) -> Layout:
    """Return the reading order of the texts of a page.

    Args:
        polygons: Each float, (points, 2), in pixels. The first point is where the text begins, if known.
        texts: The recognized texts in logical order, used for the direction; empty without a recognizer.

    Returns:
        Blocks of lines of indices; each index appears exactly once.
    """
    if not polygons:
        return []
    directions = [direction(text) for text in texts] or [0] * len(polygons)
    leftward = right_to_left(texts)
    boxes = _boxes(polygons, text_angle(polygons))
    layout = []
    for block in _blocks(boxes, np.arange(len(boxes)), leftward):
        lines = _lines(boxes, block)
        layout.append([_in_line(boxes, line, directions, leftward) for line in lines])
    return layout


def direction(text: str) -> int:
    """Return 1 if most letters of a text run from left to right, -1 if right to left, else 0."""
    kinds = [unicodedata.bidirectional(character) for character in text]
    balance = kinds.count("L") - kinds.count("R") - kinds.count("AL")
    return (balance > 0) - (balance < 0)


def right_to_left(texts: Sequence[str]) -> bool:
    """Return whether most letters of all texts run from right to left."""
    return direction("".join(texts)) < 0


def text_angle(polygons: Sequence[Polygon]) -> float:
    """Return the angle of most text: radians, clockwise from rightward (y points down).

    The long sides of the polygons give the axis, and their first points give the direction along it. If
    the first points disagree, text is taken to run rightward, or downward if the page lies on its side.
    """
    edges = np.concatenate([np.roll(p, -1, axis=0) - p for p in polygons]).astype(np.float64)
    # With doubled angles, opposite edges, which run in opposite directions, add up instead of canceling.
    doubled = np.exp(2j * np.arctan2(edges[:, 1], edges[:, 0]))
    total = complex(np.sum(np.hypot(edges[:, 0], edges[:, 1]) * doubled))
    angle = math.atan2(total.imag, total.real) / 2
    if angle <= -math.pi / 4:
        angle += math.pi
    # The first half of a polygon's points is its top edge, so this is the vector along the top.
    tops = np.array([p[len(p) // 2 - 1] - p[0] for p in polygons], dtype=np.float64)
    along = tops @ (math.cos(angle), math.sin(angle))
    backwards = along.sum() < -0.5 * np.hypot(tops[:, 0], tops[:, 1]).sum()
    return angle + math.pi if backwards else angle


def _boxes(polygons: Sequence[Polygon], angle: float) -> np.ndarray:
    """Return left, top, right, bottom of each polygon after rotation by -angle: float64, (polygons, 4)."""
    cos, sin = math.cos(angle), math.sin(angle)
    rotated = [np.asarray(p, dtype=np.float64) @ np.array([[cos, -sin], [sin, cos]]) for p in polygons]
    return np.array([(*points.min(axis=0), *points.max(axis=0)) for points in rotated])


def _blocks(boxes: np.ndarray, members: np.ndarray, leftward: bool) -> Iterator[np.ndarray]:
    """Yield the members of each block in reading order."""
    strips = _strips(boxes, members)
    cut = _widest_columns(boxes, strips)
    if cut is None:
        yield members
        return
    first, last, left, right = cut
    if first:
        yield from _blocks(boxes, np.concatenate(strips[:first]), leftward)
    for side in (right, left) if leftward else (left, right):
        yield from _blocks(boxes, side, leftward)
    if strips[last + 1 :]:
        yield from _blocks(boxes, np.concatenate(strips[last + 1 :]), leftward)


def _strips(boxes: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """Split members into horizontal strips at each height where a horizontal line crosses none of them."""
    heights = boxes[members, 3] - boxes[members, 1]
    # Shrink the boxes: detections have margins, and those of neighboring lines may touch.
    tops, bottoms = boxes[members, 1] + 0.2 * heights, boxes[members, 3] - 0.2 * heights
    order = np.argsort(tops, kind="stable")
    reach = np.maximum.accumulate(bottoms[order])
    cuts = np.flatnonzero(tops[order][1:] > reach[:-1]) + 1
    return np.split(members[order], cuts)


Cut = tuple[int, int, np.ndarray, np.ndarray]
"""The first and the last strip that a gap divides, and the members to the left and to the right of it."""


def _widest_columns(boxes: np.ndarray, strips: list[np.ndarray]) -> Cut | None:
    """Find the tallest run of consecutive strips that a gap divides into columns; None if there is none."""
    members = np.concatenate(strips)
    height = max(1.0, float(np.median(boxes[members, 3] - boxes[members, 1])))
    low, size = boxes[members, 0].min(), height / BINS_PER_HEIGHT
    bins = np.floor((boxes[:, [0, 2]] - low) / size).astype(int)
    # Row k counts, for each bin, the strips before k that cover it: a run's cover is a difference of rows.
    covered = np.zeros((len(strips) + 1, int(bins[members].max()) + 1), dtype=np.int64)
    for row, strip in enumerate(strips, start=1):
        for left, right in bins[strip]:
            covered[row, left : right + 1] = 1
    covered = covered.cumsum(axis=0)
    narrow = int(MIN_WIDTH * BINS_PER_HEIGHT) - 1
    tops = [boxes[strip, 1].min() for strip in strips]
    bottoms = [boxes[strip, 3].max() for strip in strips]
    runs = [(i, j) for i in range(len(strips)) for j in range(i, len(strips))]
    for i, j in sorted(runs, key=lambda run: tops[run[0]] - bottoms[run[1]]):
        if bottoms[j] - tops[i] < MIN_LINES * height:
            return None  # runs are sorted by height, so the remaining ones are lower still
        free = covered[j + 1] == covered[i]
        if np.count_nonzero(free[narrow:-narrow]) < MIN_GUTTER * BINS_PER_HEIGHT:
            continue  # a cheap check that excludes most runs
        run = np.concatenate(strips[i : j + 1])
        gutters = [gap for gap in _gaps(free) if gap[1] - gap[0] >= MIN_GUTTER * BINS_PER_HEIGHT]
        # The column of a text is the number of gutters to its left.
        column = np.searchsorted([end for _, end in gutters], bins[run, 0], side="right")
        for place in range(len(gutters)):
            beside = (run[column == place], run[column == place + 1])
            if all(_is_column(boxes, side, height) for side in beside):
                return i, j, run[column <= place], run[column > place]
    return None


def _gaps(free: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of free bins, except for those at the left and right margin."""
    edges = np.flatnonzero(np.diff(free)) + 1
    starts = edges[1:] if free[0] else edges
    yield from zip(starts[::2].tolist(), starts[1::2].tolist(), strict=False)


def _is_column(boxes: np.ndarray, members: np.ndarray, height: float) -> bool:
    """Return whether texts fill their lines as prose does."""
    if not len(members):
        return False
    width = boxes[members, 2].max() - boxes[members, 0].min()
    if width < MIN_WIDTH * height:
        return False
    lines = _lines(boxes, members)
    if len(lines) < MIN_LINES:
        return False
    return float(np.median([_longest_run(boxes[line], height) for line in lines])) >= MIN_FILL * float(width)


def _longest_run(line: np.ndarray, height: float) -> float:
    """Return the width of the longest part of a line without a gutter; boxes are from left to right."""
    starts = np.flatnonzero(line[1:, 0] - np.maximum.accumulate(line[:-1, 2]) >= MIN_GUTTER * height) + 1
    runs = np.split(line, starts)
    return max(float(run[:, 2].max() - run[0, 0]) for run in runs)


def _lines(boxes: np.ndarray, members: np.ndarray) -> list[list[int]]:
    """Group members into lines, from top to bottom; members of a line are from left to right.

    Going from left to right, each member joins the line whose last member it overlaps most vertically. So
    a line may be curved, as on a crumpled page.
    """
    spans = dict(zip(members.tolist(), boxes[members][:, [1, 3]].tolist(), strict=True))
    centers = boxes[members, 0] + boxes[members, 2]
    lines: list[list[int]] = []
    for member in members[np.argsort(centers, kind="stable")].tolist():
        best, nearest = 0.0, None
        for line in lines:
            overlap = _vertical_iou(spans[member], spans[line[-1]])
            if overlap > best:
                best, nearest = overlap, line
        if nearest is None:
            lines.append([member])
        else:
            nearest.append(member)
    return sorted(lines, key=lambda line: sum(sum(spans[m]) for m in line) / len(line))


def _vertical_iou(one: list[float], other: list[float]) -> float:
    """Return the intersection over union of two vertical spans; 0 if they are not on the same line."""
    # Plain floats and conditional expressions: arrays of two numbers are ten times slower.
    (top, bottom), (low, high) = one, other
    shared = (bottom if bottom < high else high) - (top if top > low else low)
    if shared <= SAME_LINE * min(bottom - top, high - low):
        return 0.0
    return shared / ((bottom if bottom > high else high) - (top if top < low else low))


def _in_line(boxes: np.ndarray, line: list[int], directions: Sequence[int], leftward: bool) -> list[int]:
    """Return the texts of one line in reading order."""
    ordered = sorted(line, key=lambda m: float(boxes[m, 0] + boxes[m, 2]), reverse=leftward)
    foreign = 1 if leftward else -1
    marks = [directions[m] for m in ordered]
    start = 0
    while foreign in marks[start:]:
        first = start + marks[start:].index(foreign)
        own = marks.index(-foreign, first) if -foreign in marks[first:] else len(marks)
        # Numbers and symbols between two texts of the other direction belong to their run.
        last = max(place for place in range(first, own) if marks[place] == foreign)
        ordered[first : last + 1] = reversed(ordered[first : last + 1])
        start = own
    return ordered

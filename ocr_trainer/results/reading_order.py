"""The order in which the texts of a page are read: block after block, line after line, text after text.

First the page is turned so that most text runs level. Then it is cut into blocks by a recursive XY-cut
(Nagy & Seth, "Hierarchical representation of optically scanned documents", 1984) with one rule of its
own: a gap from top to bottom divides a page only where the text on both sides fills lines, as prose in
columns does. So names and amounts of a receipt, and the cells of a table, stay together row by row.
Within a block, texts that overlap vertically with their neighbor form a line.

Texts run from left to right, or from right to left if most letters of the page do; a run of the other
direction within a line keeps its own (Unicode Standard Annex 9, for whole texts). Columns of upright
characters, as in vertical Japanese, are not known: such a page is taken for one that lies on its side.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from ocr_trainer.data.types import Polygon

Layout = list[list[list[int]]]
"""Blocks of lines of texts, each text by its index."""

LEAST_LINES = 3
"""A column has at least so many lines."""
LEAST_WIDTH = 8.0
"""A column is at least so wide, in heights of its text; amounts are narrower."""
LEAST_FILL = 0.75
"""So much of a column's width the middling line runs without a wide space; in tables and lists it is less."""
LEAST_GUTTER = 1.0
"""A wide space, such as that between columns, in heights of text; that between words is about 0.3."""
SAME_LINE = 0.5
"""Neighbours of one line share so much of the lesser height."""
BINS_PER_HEIGHT = 4
"""How finely gutters are looked for."""


def reading_order(polygons: Sequence[Polygon], texts: Sequence[str] = ()) -> Layout:
    """Put the texts of a page in order.

    Args:
        polygons: Each float (points, 2), in pixels; they begin where the text does, if that is known.
        texts: What they read, in logical order, for the direction; empty if that is not known.

    Returns:
        Blocks of lines of indices; every text is in it once.
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
    """Return 1 if most letters of a text run from left to right, -1 if from right to left, else 0."""
    kinds = [unicodedata.bidirectional(character) for character in text]
    balance = kinds.count("L") - kinds.count("R") - kinds.count("AL")
    return (balance > 0) - (balance < 0)


def right_to_left(texts: Sequence[str]) -> bool:
    """Tell whether most letters of all texts run from right to left."""
    return direction("".join(texts)) < 0


def text_angle(polygons: Sequence[Polygon]) -> float:
    """Return the angle that most text runs at: radians, clockwise from rightwards, as y points down.

    The long sides of the polygons tell the axis. Which way along it they tell by where they begin; if they
    do not agree, text runs rightwards rather than leftwards, and on a page on its side downwards.
    """
    edges = np.concatenate([np.roll(p, -1, axis=0) - p for p in polygons]).astype(np.float64)
    # Twice the angle: an edge and the opposite one, which runs the other way, then add up.
    doubled = np.exp(2j * np.arctan2(edges[:, 1], edges[:, 0]))
    total = complex(np.sum(np.hypot(edges[:, 0], edges[:, 1]) * doubled))
    angle = math.atan2(total.imag, total.real) / 2
    if angle <= -math.pi / 4:
        angle += math.pi
    tops = np.array([p[len(p) // 2 - 1] - p[0] for p in polygons], dtype=np.float64)
    along = tops @ (math.cos(angle), math.sin(angle))
    backwards = along.sum() < -0.5 * np.hypot(tops[:, 0], tops[:, 1]).sum()
    return angle + math.pi if backwards else angle


def _boxes(polygons: Sequence[Polygon], angle: float) -> np.ndarray:
    """Return left, top, right and bottom of each polygon once text runs level: float64, (polygons, 4)."""
    cos, sin = math.cos(angle), math.sin(angle)
    turned = [np.asarray(p, dtype=np.float64) @ np.array([[cos, -sin], [sin, cos]]) for p in polygons]
    return np.array([(*points.min(axis=0), *points.max(axis=0)) for points in turned])


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
    """Cut members apart wherever a level line meets none of them, from top to bottom."""
    heights = boxes[members, 3] - boxes[members, 1]
    # Detections are generous: those of neighbouring lines may touch.
    tops, bottoms = boxes[members, 1] + 0.2 * heights, boxes[members, 3] - 0.2 * heights
    order = np.argsort(tops, kind="stable")
    reach = np.maximum.accumulate(bottoms[order])
    cuts = np.flatnonzero(tops[order][1:] > reach[:-1]) + 1
    return np.split(members[order], cuts)


Cut = tuple[int, int, np.ndarray, np.ndarray]
"""The first and the last strip that are divided, and who is left and right of the gap."""


def _widest_columns(boxes: np.ndarray, strips: list[np.ndarray]) -> Cut | None:
    """Find the tallest run of strips that a gap divides into columns."""
    members = np.concatenate(strips)
    height = max(1.0, float(np.median(boxes[members, 3] - boxes[members, 1])))
    low, size = boxes[members, 0].min(), height / BINS_PER_HEIGHT
    bins = np.floor((boxes[:, [0, 2]] - low) / size).astype(int)
    covered = np.zeros((len(strips) + 1, int(bins[members].max()) + 1), dtype=np.int64)
    for row, strip in enumerate(strips, start=1):
        for left, right in bins[strip]:
            covered[row, left : right + 1] = 1
    covered = covered.cumsum(axis=0)
    narrow = int(LEAST_WIDTH * BINS_PER_HEIGHT) - 1
    tops = [boxes[strip, 1].min() for strip in strips]
    bottoms = [boxes[strip, 3].max() for strip in strips]
    runs = [(i, j) for i in range(len(strips)) for j in range(i, len(strips))]
    for i, j in sorted(runs, key=lambda run: tops[run[0]] - bottoms[run[1]]):
        if bottoms[j] - tops[i] < LEAST_LINES * height:
            return None  # and what follows is lower still
        free = covered[j + 1] == covered[i]
        if np.count_nonzero(free[narrow:-narrow]) < LEAST_GUTTER * BINS_PER_HEIGHT:
            continue  # most runs end here, at no cost
        run = np.concatenate(strips[i : j + 1])
        gutters = [gap for gap in _gaps(free) if gap[1] - gap[0] >= LEAST_GUTTER * BINS_PER_HEIGHT]
        # Which column a text of the run is in: how many gutters lie to its left.
        column = np.searchsorted([end for _, end in gutters], bins[run, 0], side="right")
        for place in range(len(gutters)):
            beside = (run[column == place], run[column == place + 1])
            if all(_is_column(boxes, side, height) for side in beside):
                return i, j, run[column <= place], run[column > place]
    return None


def _gaps(free: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where each run of free bins begins and ends, but for those at the sides."""
    edges = np.flatnonzero(np.diff(free)) + 1
    starts = edges[1:] if free[0] else edges
    yield from zip(starts[::2].tolist(), starts[1::2].tolist(), strict=False)


def _is_column(boxes: np.ndarray, members: np.ndarray, height: float) -> bool:
    """Tell whether texts fill lines as prose does."""
    if not len(members):
        return False
    width = boxes[members, 2].max() - boxes[members, 0].min()
    if width < LEAST_WIDTH * height:
        return False
    lines = _lines(boxes, members)
    if len(lines) < LEAST_LINES:
        return False
    return float(np.median([_run(boxes[line], height) for line in lines])) >= LEAST_FILL * float(width)


def _run(line: np.ndarray, height: float) -> float:
    """Return the length of the longest stretch of a line, boxes from left to right, without a wide space."""
    starts = np.flatnonzero(line[1:, 0] - np.maximum.accumulate(line[:-1, 2]) >= LEAST_GUTTER * height) + 1
    runs = np.split(line, starts)
    return max(float(run[:, 2].max() - run[0, 0]) for run in runs)


def _lines(boxes: np.ndarray, members: np.ndarray) -> list[list[int]]:
    """Gather members into lines, from top to bottom; each line from left to right.

    From left to right, each joins the line whose last text it overlaps most, vertically: so a line may
    bend, as on a crumpled page.
    """
    spans = dict(zip(members.tolist(), boxes[members][:, [1, 3]].tolist(), strict=True))
    centers = boxes[members, 0] + boxes[members, 2]
    lines: list[list[int]] = []
    for member in members[np.argsort(centers, kind="stable")].tolist():
        likeness, nearest = 0.0, None
        for line in lines:
            found = _likeness(spans[member], spans[line[-1]])
            if found > likeness:
                likeness, nearest = found, line
        if nearest is None:
            lines.append([member])
        else:
            nearest.append(member)
    return sorted(lines, key=lambda line: sum(sum(spans[m]) for m in line) / len(line))


def _likeness(one: list[float], other: list[float]) -> float:
    """Return what two texts share of the height they span together; 0 if they are not of one line."""
    # Plain numbers: arrays of two would take ten times as long.
    (top, bottom), (low, high) = one, other
    shared = (bottom if bottom < high else high) - (top if top > low else low)
    if shared <= SAME_LINE * min(bottom - top, high - low):
        return 0.0
    return shared / ((bottom if bottom > high else high) - (top if top < low else low))


def _in_line(boxes: np.ndarray, line: list[int], directions: Sequence[int], leftward: bool) -> list[int]:
    """Order the texts of one line as they are read."""
    ordered = sorted(line, key=lambda m: float(boxes[m, 0] + boxes[m, 2]), reverse=leftward)
    foreign = 1 if leftward else -1
    marks = [directions[m] for m in ordered]
    start = 0
    while foreign in marks[start:]:
        first = start + marks[start:].index(foreign)
        own = marks.index(-foreign, first) if -foreign in marks[first:] else len(marks)
        # Numbers and signs between two foreign texts go with them.
        last = max(place for place in range(first, own) if marks[place] == foreign)
        ordered[first : last + 1] = reversed(ordered[first : last + 1])
        start = own
    return ordered

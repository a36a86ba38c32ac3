"""Conversion between logical order (as typed) and visual order (left to right in the image) of characters.

A CTC model outputs characters from left to right, so it cannot output Hebrew or Arabic in logical order.
This module implements the part of the Unicode bidirectional algorithm (UAX #9) that a single line needs,
with changes that make it its own inverse, so that a recognized text can be converted back:

- The direction of a line is that of most of its letters, not that of the first one.
- Adjacent Latin letters and digits form one run.
- Brackets are not mirrored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby, pairwise

RIGHTWARD = frozenset({"L", "EN", "AN"})
"""Bidirectional classes that run from left to right: letters, European and Arabic digits."""
LEFTWARD = frozenset({"R", "AL"})
"""Bidirectional classes of Hebrew and Arabic letters, which run from right to left."""


def visual_order(text: str) -> list[int]:
    """Return the indices of a text's characters in visual order, from left to right.

    Combining marks stay after their base character. Applying the conversion twice gives the original text,
    unless it begins with a mark, which has no base character.
    """
    classes = [unicodedata.bidirectional(character) for character in text]
    if LEFTWARD.isdisjoint(classes):
        return list(range(len(text)))
    clusters = _clusters(text)
    kinds = [classes[cluster[0]] for cluster in clusters]
    right_to_left = sum(kind in LEFTWARD for kind in kinds) >= kinds.count("L")
    units = list(range(len(clusters)))
    reordered = _reverse_line(kinds, units) if right_to_left else _reverse_runs(kinds, units)
    return [place for unit in reordered for place in clusters[unit]]


def to_visual(text: str) -> str:
    """Convert a text from logical to visual order, or from visual to logical order."""
    return "".join(text[place] for place in visual_order(text))


def _clusters(text: str) -> list[list[int]]:
    """Return the index of each base character with those of its combining marks."""
    clusters: list[list[int]] = []
    for place, character in enumerate(text):
        if clusters and unicodedata.category(character) in ("Mn", "Me"):
            clusters[-1].append(place)
        else:
            clusters.append([place])
    return clusters


def _reverse_line(kinds: Sequence[str], units: list[int]) -> list[int]:
    """Reverse a right-to-left line, except for the left-to-right runs in it."""
    rightward = [kinds[unit] in RIGHTWARD for unit in units]
    for start, end in _gaps(rightward):
        # Neutral characters inside a run, such as the point in a number, belong to it.
        if not any(kinds[unit] in LEFTWARD for unit in units[start:end]):
            rightward[start:end] = [True] * (end - start)
    runs = [
        [unit for unit, _ in run] for _, run in groupby(zip(units, rightward, strict=True), lambda p: p[1])
    ]
    return [
        unit for run in reversed(runs) for unit in (run if rightward[units.index(run[0])] else reversed(run))
    ]


def _reverse_runs(kinds: Sequence[str], units: list[int]) -> list[int]:
    """Reverse the right-to-left runs of a left-to-right line."""
    leftward = [kinds[unit] in LEFTWARD for unit in units]
    for start, end in _gaps(leftward):
        if not any(kinds[unit] == "L" for unit in units[start:end]):
            leftward[start:end] = [True] * (end - start)
    reordered: list[int] = []
    for is_leftward, run in groupby(zip(units, leftward, strict=True), lambda pair: pair[1]):
        members = [unit for unit, _ in run]
        reordered += _reverse_line(kinds, members) if is_leftward else members
    return reordered


def _gaps(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the runs of False between two True values, as (start, end)."""
    places = [place for place, flag in enumerate(flags) if flag]
    return [(a + 1, b) for a, b in pairwise(places) if b > a + 1]

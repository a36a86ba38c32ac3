"""From the order in which characters are typed to the order in which they stand on the image, and back.

A network that reads its steps from left to right (CTC) cannot put out the characters of Hebrew or
Arabic in the order in which they are typed. This is the part of Unicode's bidirectional algorithm
(UAX #9) that one line of text needs, made its own inverse, so that what is read can be turned back:
the direction of a line is that of most of its letters, not of the first one, and Latin letters and
digits side by side are one run. Brackets are not mirrored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby, pairwise

RIGHTWARD = frozenset({"L", "EN", "AN"})
"""Bidirectional classes of what stands from left to right: letters and digits."""
LEFTWARD = frozenset({"R", "AL"})


def visual_order(text: str) -> list[int]:
    """Return the places of a text's characters as they stand on the image, from left to right.

    Marks stay behind the character that they belong to. Turning twice gives the text back, unless it
    begins with a mark, which then belongs to none.
    """
    classes = [unicodedata.bidirectional(character) for character in text]
    if LEFTWARD.isdisjoint(classes):
        return list(range(len(text)))
    clusters = _clusters(text)
    kinds = [classes[cluster[0]] for cluster in clusters]
    to_left = sum(kind in LEFTWARD for kind in kinds) >= kinds.count("L")
    units = list(range(len(clusters)))
    turned = _turned(kinds, units) if to_left else _turned_within(kinds, units)
    return [place for unit in turned for place in clusters[unit]]


def to_visual(text: str) -> str:
    """Return a text in the order in which it stands on the image; of such a text, the text."""
    return "".join(text[place] for place in visual_order(text))


def _clusters(text: str) -> list[list[int]]:
    """Return the places of each character together with those of the marks behind it."""
    clusters: list[list[int]] = []
    for place, character in enumerate(text):
        if clusters and unicodedata.category(character) in ("Mn", "Me"):
            clusters[-1].append(place)
        else:
            clusters.append([place])
    return clusters


def _turned(kinds: Sequence[str], units: list[int]) -> list[int]:
    """Turn a line from right to left, but for the runs in it that stand from left to right."""
    rightward = [kinds[unit] in RIGHTWARD for unit in units]
    for start, end in _gaps(rightward):
        # What stands between two such, a point in a number, is part of the run.
        if not any(kinds[unit] in LEFTWARD for unit in units[start:end]):
            rightward[start:end] = [True] * (end - start)
    runs = [
        [unit for unit, _ in run] for _, run in groupby(zip(units, rightward, strict=True), lambda p: p[1])
    ]
    return [
        unit for run in reversed(runs) for unit in (run if rightward[units.index(run[0])] else reversed(run))
    ]


def _turned_within(kinds: Sequence[str], units: list[int]) -> list[int]:
    """Turn what stands from right to left in a line from left to right."""
    leftward = [kinds[unit] in LEFTWARD for unit in units]
    for start, end in _gaps(leftward):
        if not any(kinds[unit] == "L" for unit in units[start:end]):
            leftward[start:end] = [True] * (end - start)
    turned: list[int] = []
    for to_left, run in groupby(zip(units, leftward, strict=True), lambda pair: pair[1]):
        places = [unit for unit, _ in run]
        turned += _turned(kinds, places) if to_left else places
    return turned


def _gaps(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the stretches of False between two of True, as start and end."""
    places = [place for place, flag in enumerate(flags) if flag]
    return [(a + 1, b) for a, b in pairwise(places) if b > a + 1]

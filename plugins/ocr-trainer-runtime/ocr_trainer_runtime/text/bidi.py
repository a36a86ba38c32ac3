"""Conversion between logical order (as typed) and visual order (left to right in the image) of characters.

A CTC model outputs characters from left to right, so it cannot output Hebrew or Arabic in logical order.
`to_visual` is the Unicode bidirectional algorithm (UAX #9) for a single line without embeddings, and
`to_logical` converts a recognized text back. Two things differ from the algorithm:

- The direction of a line is that of most of its letters, not that of the first one.
- Brackets are not mirrored, and combining marks stay after their base character.

The algorithm draws some different texts alike: in a Hebrew line, both "5 kg" and "kg 5" are drawn as "kg 5".
`to_logical` then returns one of them: that in which the number follows the letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from ocr_trainer_runtime.text.bidi_levels import LEFTWARD, embedding_levels

REORDERED = LEFTWARD | {"AN"}
"""Bidirectional types of which at least one is in every line whose characters change places."""

MAX_ROUNDS = 8
"""How often `to_logical` corrects its guess. Texts that need more than two rounds are very rare."""


def right_to_left(text: str) -> bool:
    """Return whether a line runs from right to left: it has such letters, and not fewer than others."""
    kinds = [unicodedata.bidirectional(character) for character in text]
    leftward = sum(kind in LEFTWARD for kind in kinds)
    return leftward > 0 and leftward >= kinds.count("L")


def visual_order(text: str) -> list[int]:
    """Return the indices of a typed text's characters in visual order, from left to right.

    Combining marks stay after their base character.
    """
    return _in_clusters(text, _visual_units)


def logical_order(text: str) -> list[int]:
    """Return the indices of the characters of a text in visual order, in the order of typing."""
    return _in_clusters(text, _logical_units)


def to_visual(text: str) -> str:
    """Convert a text from logical to visual order."""
    return "".join(text[place] for place in visual_order(text))


def to_logical(text: str) -> str:
    """Convert a text from visual to logical order.

    `to_visual` of the result is `text` again, except for rare mixtures of scripts and signs, about one in a
    thousand random ones.
    """
    return "".join(text[place] for place in logical_order(text))


def _in_clusters(text: str, order: Callable[[list[str], bool], list[int]]) -> list[int]:
    """Return the indices of characters after the units, each a character with its marks, are reordered."""
    # Arabic numbers run from left to right, but what stands between two of them from right to left.
    if REORDERED.isdisjoint(map(unicodedata.bidirectional, text)):
        return list(range(len(text)))
    clusters: list[list[int]] = []
    for place, character in enumerate(text):
        if clusters and unicodedata.category(character) in ("Mn", "Me"):
            clusters[-1].append(place)
        else:
            clusters.append([place])
    units = order([text[cluster[0]] for cluster in clusters], right_to_left(text))
    return [place for unit in units for place in clusters[unit]]


def _visual_units(characters: Sequence[str], leftward: bool) -> list[int]:
    levels = embedding_levels(characters, leftward)
    return _reverse_runs(list(range(len(characters))), levels, range(max(levels), 0, -1))


def _logical_units(characters: Sequence[str], leftward: bool) -> list[int]:
    """Guess the levels of a text in visual order, and correct them until the result is drawn as that text."""
    units = list(range(len(characters)))
    levels = _first_guess(characters, leftward)
    first: list[int] | None = None
    for _ in range(MAX_ROUNDS):
        typed = _reverse_runs(units, levels, range(1, max(levels) + 1))
        first = first or typed
        found = embedding_levels([characters[unit] for unit in typed], leftward)
        drawn = _reverse_runs(list(range(len(units))), found, range(max(found), 0, -1))
        if [characters[typed[place]] for place in drawn] == list(characters):
            return typed
        levels = [found[place] for place in drawn]
    assert first is not None
    return first


def _first_guess(characters: Sequence[str], leftward: bool) -> list[int]:
    """Return the levels of a text in visual order, as far as they show without knowing how it was typed."""
    if leftward:
        # A number belongs to the letters at its left: from right to left, to those that come next.
        return embedding_levels(characters[::-1], leftward, reversed_words=True)[::-1]
    kinds = [unicodedata.bidirectional(character) for character in characters]
    levels = [0] * len(kinds)
    start = 0
    for end in [*(place for place, kind in enumerate(kinds) if kind == "L"), len(kinds)]:
        within = [place for place in range(start, end) if kinds[place] in REORDERED]
        if within:
            low, high = within[0], within[-1] + 1
            levels[low:high] = _first_guess(characters[low:high], True)
        start = end + 1
    return levels


def _reverse_runs(units: Sequence[int], levels: Sequence[int], order: range) -> list[int]:
    """Reverse each run of units at or above a level, for each level of `order` (rule L2, or its inverse)."""
    result, current = list(units), list(levels)
    for level in order:
        start = 0
        while start < len(current):
            end = start
            while end < len(current) and current[end] >= level:
                end += 1
            result[start:end], current[start:end] = result[start:end][::-1], current[start:end][::-1]
            start = end + 1
    return result

"""Embedding levels of the Unicode bidirectional algorithm (UAX #9), for one line without embeddings.

The rules keep the names that they have in the standard. Strong types are L and R; numbers are EN, European,
and AN, Arabic; ES, ET and CS are signs that may belong to a number; everything else is neutral.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

LEFTWARD = frozenset({"R", "AL"})
"""Bidirectional types of Hebrew and Arabic letters, which run from right to left."""
BOUNDARY_NEUTRAL = "BN"
"""The type of joiners, which the rules pass over."""
NUMBERS = frozenset({"EN", "AN"})
STRONG = frozenset({"L", "R"})


def embedding_levels(characters: Sequence[str], leftward: bool, reversed_words: bool = False) -> list[int]:
    """Return the level of each character: odd levels run from right to left.

    Args:
        characters: The characters of a line; of characters with combining marks, the base.
        leftward: Whether the line runs from right to left.
        reversed_words: Whether words from left to right, with their numbers, are in reverse order. Rule W7
            then looks for the letter that comes next.
    """
    base = "R" if leftward else "L"
    kinds = [unicodedata.bidirectional(character) for character in characters]
    shown = [place for place, kind in enumerate(kinds) if kind != BOUNDARY_NEUTRAL]
    types = [kinds[place] for place in shown]
    _resolve_numbers(types, base, reversed_words)
    _resolve_brackets(types, [characters[place] for place in shown], base)
    _resolve_neutrals(types, base)
    levels = {"L": 0, "R": 1} if base == "L" else {"R": 1}
    result = [int(leftward)] * len(kinds)
    for place, kind in zip(shown, types, strict=True):
        result[place] = levels.get(kind, 2)
    for place in range(1, len(kinds)):
        if kinds[place] == BOUNDARY_NEUTRAL:
            result[place] = result[place - 1]
    return result


def _resolve_numbers(types: list[str], base: str, reversed_words: bool) -> None:
    """Apply rules W1 to W7, in place."""
    before = strong = base
    for place, kind in enumerate(types):
        if kind == "NSM":  # W1
            types[place] = kind = before
        if kind == "L" or kind in LEFTWARD:
            strong = kind
        if kind == "EN" and strong == "AL":  # W2
            types[place] = "AN"
        before = types[place]
    types[:] = ["R" if kind == "AL" else kind for kind in types]  # W3
    for place in range(1, len(types) - 1):  # W4
        left, kind, right = types[place - 1 : place + 2]
        if left == right and (left, kind) in (("EN", "ES"), ("EN", "CS"), ("AN", "CS")):
            types[place] = left
    for places in (range(1, len(types)), range(len(types) - 2, -1, -1)):  # W5
        step = places.step
        for place in places:
            if types[place] == "ET" and types[place - step] == "EN":
                types[place] = "EN"
    types[:] = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in types]  # W6
    strong = base
    order = range(len(types))
    for place in reversed(order) if reversed_words else order:  # W7
        if types[place] in STRONG:
            strong = types[place]
        elif types[place] == "EN" and strong == "L":
            types[place] = "L"


def _resolve_brackets(types: list[str], characters: Sequence[str], base: str) -> None:
    """Apply rule N0, in place: a pair of brackets has one direction."""
    for start, end in sorted(_bracket_pairs(types, characters)):
        within = {_side(kind) for kind in types[start + 1 : end]} & STRONG
        if base in within:
            types[start] = types[end] = base
        elif within:
            strong = (side for kind in reversed(types[:start]) if (side := _side(kind)) in STRONG)
            types[start] = types[end] = next(strong, base)


def _bracket_pairs(types: Sequence[str], characters: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of paired brackets."""
    waiting: list[tuple[str, int]] = []
    for place, (kind, character) in enumerate(zip(types, characters, strict=True)):
        if kind != "ON":
            continue
        if closing := closing_bracket(character):
            waiting.append((closing, place))
            continue
        for depth in range(len(waiting) - 1, -1, -1):
            if waiting[depth][0] == character:
                yield waiting[depth][1], place
                del waiting[depth:]
                break


@cache
def closing_bracket(character: str) -> str | None:
    """Return the bracket that closes a pair, or None for a character that opens none."""
    if unicodedata.category(character) != "Ps" or not unicodedata.mirrored(character):
        return None
    try:
        return unicodedata.lookup(unicodedata.name(character).replace("LEFT", "RIGHT"))
    except (KeyError, ValueError):
        return None


def _resolve_neutrals(types: list[str], base: str) -> None:
    """Apply rules N1 and N2, in place: neutrals between two of one direction have that direction."""
    start = 0
    while start < len(types):
        end = start
        while end < len(types) and _side(types[end]) not in STRONG:
            end += 1
        before = _side(types[start - 1]) if start else base
        after = _side(types[end]) if end < len(types) else base
        types[start:end] = [before if before == after else base] * (end - start)
        start = end + 1


def _side(kind: str) -> str:
    """Return the direction that a type has for the neutrals beside it."""
    return "R" if kind in NUMBERS else kind

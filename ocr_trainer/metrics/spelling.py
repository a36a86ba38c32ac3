"""How many characters of texts were read right, where texts and readings need not fit one to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def spelt(texts: Sequence[str], recognitions: Sequence[str], orders: Mapping[int, Sequence[int]]) -> int:
    """Count the characters of texts that their readings hold, each character of a reading used once.

    Text after text, the longest common subsequence with what is left of its readings is counted,
    and crossed out in them, as CLEval does it.

    Args:
        texts: The ground truth of an image.
        readings: What the detections say.
        orders: The readings that belong to each text, both as indices, in the order they are read.
    """
    left = list(recognitions)
    right = 0
    for place, order in orders.items():
        text, reading = texts[place], "".join(left[i] for i in order)
        if text == reading:  # as a rule, and then nothing is left
            right += len(text)
            for i in order:
                left[i] = ""
            continue
        common = longest_common_subsequence(text, reading)
        right += len(common)
        for character in common:
            holder = next(i for i in order if character in left[i])
            left[holder] = left[holder].replace(character, "", 1)
    return right


def longest_common_subsequence(a: str, b: str) -> str:
    """Return the longest text that both contain in this order, not necessarily in one piece.

    Of several of that length, the one CLEval finds: from the end, `b` is given up before `a`. Bit
    parallel (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004): one row of the table of
    lengths is one integer, in which a bit is unset where the length grows.
    """
    places: dict[str, int] = {}
    for j, character in enumerate(b):
        places[character] = places.get(character, 0) | 1 << j
    row = full = (1 << len(b)) - 1
    rows = []
    for character in a:
        hits = row & places.get(character, 0)
        row = (row + hits | row - hits) & full
        rows.append(row)

    common = []
    i, j = len(a) - 1, len(b) - 1
    while i >= 0 and j >= 0:
        if a[i] == b[j]:
            common.append(a[i])
            i, j = i - 1, j - 1
        elif rows[i] >> j & 1:
            j -= 1
        else:
            i -= 1
    return "".join(reversed(common))

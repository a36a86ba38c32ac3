"""Count correctly read characters where texts and recognitions do not correspond one to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def count_correct_characters(
    texts: Sequence[str], recognitions: Sequence[str], orders: Mapping[int, Sequence[int]]
) -> int:
    """Count the characters of texts that their recognitions contain, each recognized character used once.

    As in CLEval: for each text in turn, count the longest common subsequence with what is left of its
    recognitions, and remove it from them.

    Args:
        texts: Ground truth of an image.
        recognitions: Text of each detection.
        orders: For each text index, the indices of its recognitions in reading order.
    """
    left = list(recognitions)
    right = 0
    for place, order in orders.items():
        text, reading = texts[place], "".join(left[i] for i in order)
        if text == reading:  # the common case, and nothing is left over
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
    """Return the longest common subsequence of two texts.

    Among several, the one that CLEval finds: going backwards, `b` is shortened before `a`. Bit-parallel
    (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004): each row of the table of lengths is one
    integer, in which a bit is unset where the length grows.
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

"""Text normalization: the one form in which texts are trained on and scored.

A charset is a string: each code point once, in normal form C, the plain space among them where it is used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

WORD_LIMIT = 4096
"""Characters without a space; the time that normal form C takes grows with the square of accents in a row."""

SOFT_HYPHEN = "\u00ad"

INVISIBLE = dict.fromkeys(
    [0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
"""Marks of direction, zero-width space, word joiner, byte-order mark: how a text is set, not what it is.

The zero-width joiner and non-joiner (U+200D, U+200C) are no part of it: they change the shapes of letters.
"""

FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
"""Control characters that are no whitespace, and halves of surrogate pairs."""


def clean(text: str) -> str:
    """Return a text as it is learned and scored.

    In normal form C; each run of whitespace, newlines too, as one space, none at the ends; without
    `INVISIBLE` marks. A soft hyphen is a hyphen at the end of a text, where it shows, and nothing elsewhere.
    Doing it twice changes nothing more.

    Raises:
        ValueError: If there is a control character or half of a surrogate pair in it, says which; or a
            word of more than `WORD_LIMIT` characters.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    if found := FORBIDDEN.search(text):
        kind = "half of a surrogate pair" if found[0] >= "\ud800" else "control character"
        raise ValueError(f"{kind} U+{ord(found[0]):04X} in the text")
    text = text.translate(INVISIBLE).rstrip()
    if SOFT_HYPHEN in text:
        text = (text[:-1] + "-" if text.endswith(SOFT_HYPHEN) else text).replace(SOFT_HYPHEN, "")
    words = text.split()
    if (longest := max(map(len, words), default=0)) > WORD_LIMIT:
        raise ValueError(f"{longest:,} characters without a space in the text")
    return unicodedata.normalize("NFC", " ".join(words))


def ordered(characters: Iterable[str]) -> str:
    """Return the characters that there are, each once, by code point."""
    return "".join(sorted(set().union(*characters)))

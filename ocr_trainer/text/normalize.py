"""Text normalization, which applies to all texts in training and evaluation.

A charset is a string with each code point once, in normal form C, including the space if it is used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

WORD_LIMIT = 4096
"""Maximum length of a word. Normalization takes time quadratic in the number of consecutive accents."""

SOFT_HYPHEN = "\u00ad"

INVISIBLE = dict.fromkeys(
    [0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
"""Characters to remove: direction marks, zero-width space, word joiner and byte-order mark.

They affect layout only. The zero-width joiner and non-joiner (U+200D, U+200C) are kept: they change the
shapes of letters.
"""

FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
"""Control characters that are not whitespace, and halves of surrogate pairs."""


def clean(text: str) -> str:
    """Normalize a text for training and evaluation. The function is idempotent.

    - Convert to normal form C (NFC).
    - Replace each run of whitespace, including newlines, with one space; strip both ends.
    - Remove `INVISIBLE` characters.
    - Replace a soft hyphen at the end, where it is visible, with a hyphen; remove it elsewhere.

    Raises:
        ValueError: The text contains a control character or half of a surrogate pair, which the message
            names, or a word of more than `WORD_LIMIT` characters.
    """
    # Fast path for most Latin text: nothing but whitespace can change.
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


def fault(text: str) -> str | None:
    """Return why a text cannot be learned or scored, or None."""
    try:
        return None if clean(text) else "the text has no visible characters"
    except ValueError as error:
        return str(error)


def ordered(characters: Iterable[str]) -> str:
    """Return the distinct characters of strings, sorted by code point."""
    return "".join(sorted(set().union(*characters)))

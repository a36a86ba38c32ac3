"""Characters: the one form in which texts are learnt and scored, and sets of characters by name or file.

A charset is a string: each code point once, in normal form C, the plain space among them where it is used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ocr_trainer.errors import DataError, did_you_mean

SHOWN = 5
"""So many faults of a charset file are told."""

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
    """Return a text as it is learnt and scored.

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


def names() -> list[str]:
    """Return the names of all sets, sorted."""
    from ocr_trainer.text.charsets import SETS

    return sorted(SETS)


@cache
def named(name: str) -> str:
    """Return the characters of a set, by code point; the space is in none.

    Raises:
        ValueError: If there is no set of that name; says which there are.
    """
    from ocr_trainer.text.charsets import SETS

    if name not in SETS:
        meant = did_you_mean(name, SETS)
        raise ValueError(f"there is no set of characters '{name}'.{meant}\n  sets: {', '.join(names())}")
    return ordered(SETS[name]())


# Charset files


def read_file(path: Path) -> str:
    """Read a charset: one character per row, as PaddleOCR's dictionaries have it, or all in one row.

    A row that is a single space stands for the space; empty rows at the end do not count. UTF-8, with
    or without byte-order mark.

    Returns:
        The characters in the order of the file.

    Raises:
        DataError: If it cannot be read, or an entry is none that a cleaned text can hold; file and line.
    """
    rows = _rows(path)
    entries = [(1, character) for character in rows[0]] if len(rows) == 1 else list(enumerate(rows, start=1))
    faults: list[str] = []
    seen: dict[str, int] = {}
    for line, entry in entries:
        if fault := _fault(entry):
            faults.append(f"{path}:{line}: {fault}")
        elif entry in seen:
            faults.append(f"{path}:{line}: {_show(entry)} a second time, after line {seen[entry]}")
        seen.setdefault(entry, line)
    if len(rows) == 1 and not faults and len(unicodedata.normalize("NFC", rows[0])) < len(rows[0]):
        faults.append(f"{path}:1: some characters become one in normal form C: give each a row of its own")
    if not entries:
        faults.append(f"'{path}' holds no characters")
    if faults:
        more = [f"… and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise DataError("\n  ".join([*faults[:SHOWN], *more]))
    return "".join(entry for _, entry in entries)


def _rows(path: Path) -> list[str]:
    """Return the rows of a text file but for empty ones at its end."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise DataError(f"cannot read the charset '{path}': {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        line = fault.object.count(b"\n", 0, fault.start) + 1
        byte = fault.object[fault.start]
        raise DataError(f"{path}:{line}: not UTF-8: byte 0x{byte:02x}; save it as UTF-8") from fault
    text = re.sub(r"[\r\n]+$", "", text)
    return re.split(r"\r\n|\n|\r", text) if text else []


def _fault(entry: str) -> str | None:
    """Return why an entry of a charset file is none, or None."""
    if not entry:
        return "an empty row; a row with a single space stands for the space"
    if entry == " ":
        return None
    composed = unicodedata.normalize("NFC", entry)
    if len(entry) > 1:
        instead = f"; in normal form C it is {_show(composed)}" if len(composed) == 1 else ""
        return f"{_show(entry)} is {len(entry)} characters, a row has one{instead}"
    try:
        cleaned = clean(entry)
    except ValueError as fault:
        return str(fault)
    if cleaned == entry:
        return None
    if composed != entry:
        return f"{_show(entry)} is not in normal form C, where it is {_show(composed)}"
    return f"{_show(entry)} is in no text: it is read as {_show(cleaned) if cleaned else 'nothing'}"


def _show(characters: str) -> str:
    return f"'{characters}' ({' '.join(f'U+{ord(character):04X}' for character in characters)})"

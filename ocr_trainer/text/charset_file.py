"""Charset files: one character per line, or all of them in one line."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.text.normalize import clean

SHOWN = 5
"""Errors of a charset file that a message lists."""


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

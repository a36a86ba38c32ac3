"""Reader of charset files: one character per line, or all characters in one line."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.text.normalize import clean

MAX_SHOWN = 5
"""Maximum number of errors of a charset file in a message."""


def read_file(path: Path) -> str:
    """Read a charset file: one character per line, as in PaddleOCR's dictionaries, or all in one line.

    A line with a single space stands for the space; empty lines at the end are ignored. The encoding is
    UTF-8, with or without byte-order mark.

    Returns:
        The characters in the order of the file.

    Raises:
        DataError: The file cannot be read, or an entry cannot occur in a normalized text. The message lists
            the first errors with file and line.
    """
    rows = _rows(path)
    entries = [(1, character) for character in rows[0]] if len(rows) == 1 else list(enumerate(rows, start=1))
    faults: list[str] = []
    seen: dict[str, int] = {}
    for line, entry in entries:
        if fault := _fault(entry):
            faults.append(f"{path}:{line}: {fault}")
        elif entry in seen:
            faults.append(f"{path}:{line}: duplicate {_show(entry)}, first in line {seen[entry]}")
        seen.setdefault(entry, line)
    if len(rows) == 1 and not faults and len(unicodedata.normalize("NFC", rows[0])) < len(rows[0]):
        faults.append(f"{path}:1: some characters combine in normal form C: put each on a line of its own")
    if not entries:
        faults.append(f"'{path}' contains no characters")
    if faults:
        more = [f"… and {len(faults) - MAX_SHOWN} more"] if len(faults) > MAX_SHOWN else []
        raise DataError("\n  ".join([*faults[:MAX_SHOWN], *more]))
    return "".join(entry for _, entry in entries)


def _rows(path: Path) -> list[str]:
    """Return the lines of a text file without empty ones at its end."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise DataError(f"cannot read the charset '{path}': {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        line = fault.object.count(b"\n", 0, fault.start) + 1
        byte = fault.object[fault.start]
        raise DataError(f"{path}:{line}: not UTF-8: byte 0x{byte:02x}; save it as UTF-8") from fault
    # Not str.splitlines: it also splits at characters such as U+2028, which would shift line numbers.
    text = re.sub(r"[\r\n]+$", "", text)
    return re.split(r"\r\n|\n|\r", text) if text else []


def _fault(entry: str) -> str | None:
    """Return why an entry of a charset file is invalid, or None."""
    if not entry:
        return "empty line; for the space, write a line with a single space"
    if entry == " ":
        return None
    composed = unicodedata.normalize("NFC", entry)
    if len(entry) > 1:
        instead = f"; in normal form C it is {_show(composed)}" if len(composed) == 1 else ""
        return f"{_show(entry)} has {len(entry)} characters, a line must have one{instead}"
    try:
        cleaned = clean(entry)
    except ValueError as fault:
        return str(fault)
    if cleaned == entry:
        return None
    if composed != entry:
        return f"{_show(entry)} is not in normal form C; write {_show(composed)}"
    action = f"replaces it with {_show(cleaned)}" if cleaned else "removes it"
    return f"{_show(entry)} cannot occur in a text: normalization {action}"


def _show(characters: str) -> str:
    return f"'{characters}' ({' '.join(f'U+{ord(character):04X}' for character in characters)})"

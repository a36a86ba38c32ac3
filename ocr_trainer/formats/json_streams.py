"""Large JSON documents, entry by entry: neither the file nor what it holds is ever whole in memory.

A document of a million words is hundreds of megabytes of text, and gigabytes of Python objects. Its
entries are small: the standard library decodes each, and what is between them is read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ocr_trainer.errors import DataError
from ocr_trainer.formats.json_files import read_json

CHUNK = 1 << 20
"""Characters that are read at once."""

DECODER = json.JSONDecoder()
BLANKS = re.compile(r"[ \t\r\n]*")


def stream_members(path: Path, section: str, chunk: int = CHUNK) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of the object that a document has under a key; none if there is none.

    Raises:
        DataError: If the file cannot be read, or is not JSON in UTF-8; with line and column.
    """
    return _stream(path, section, "{", chunk)


def stream_elements(path: Path, section: str | None = None, chunk: int = CHUNK) -> Iterator[Any]:
    """Yield the elements of the list that a document has under a key, or that it is; none if there is none.

    Raises:
        DataError: If the file cannot be read, or is not JSON in UTF-8; with line and column.
    """
    return (value for _, value in _stream(path, section, "[", chunk))


def _stream(path: Path, section: str | None, kind: str, chunk: int) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _Document(file, chunk).entries(section, kind)
    except OSError as fault:
        raise DataError(f"cannot read '{path}': {fault.strerror}") from fault
    except (ValueError, RecursionError) as fault:
        read_json(path)  # knows line and column
        raise DataError(f"'{path}' is no JSON to be read: {fault}") from fault


class _Document:
    """A JSON text of which no more is held than the entry that is read. Raises ValueError if it is none."""

    def __init__(self, file: TextIO, chunk: int) -> None:
        self._file, self._chunk = file, chunk
        self._text, self._at = "", 0

    def entries(self, section: str | None, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield the entries of the object "{" or list "[" under a key, or of the document itself."""
        if section is None and self._next() == kind:
            yield from self._entries()
        elif self._next() == "{":
            for key in self._keys("}"):
                wanted = key == section and self._next() == kind
                for entry in self._entries() if self._next() in ("{", "[") else [("", self._value())]:
                    if wanted:
                        yield entry
        else:
            self._value()
        if self._next():
            raise ValueError("there is something after the document")

    def _entries(self) -> Iterator[tuple[str, Any]]:
        for key in self._keys("}" if self._next() == "{" else "]"):
            yield key, self._value()

    def _keys(self, closing: str) -> Iterator[str]:
        """Go through an object or a list: yield at each value, which is to be read then, with its key."""
        self._at += 1
        if self._next() == closing:
            self._at += 1
            return
        while True:
            key = ""
            if closing == "}":
                if self._next() != '"':
                    raise ValueError("a key is missing")
                key = self._value()
                self._take(":")
            yield key
            if self._next() == closing:
                self._at += 1
                return
            self._take(",")

    def _take(self, expected: str) -> None:
        if self._next() != expected:
            raise ValueError(f"'{expected}' is missing")
        self._at += 1

    def _next(self) -> str:
        """Return the next character that is not blank, or nothing at the end."""
        while True:
            match = BLANKS.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            # A number may go on where the text that was read ends, be it "1", "1." or "1e+".
            whole = end < len(self._text) and self._text[end] not in ".eE"
            if whole or not self._more():
                self._at = end
                return value

    def _more(self) -> bool:
        """Read on; at least as much as there is, so that what is decoded again does not add up."""
        rest = self._text[self._at :]
        more = self._file.read(max(self._chunk, len(rest)))
        self._text, self._at = rest + more, 0
        return bool(more)

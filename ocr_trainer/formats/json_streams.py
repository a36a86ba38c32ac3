"""Read large JSON documents entry by entry, without holding the file or its contents in memory.

A document of a million words is hundreds of megabytes of text and gigabytes of Python objects. Its entries
are small: the standard library decodes each, and this module reads what is between them.
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
"""Characters read at once."""

DECODER = json.JSONDecoder()
BLANKS = re.compile(r"[ \t\r\n]*")


def stream_members(path: Path, section: str, chunk: int = CHUNK) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of the object under a key of a document; nothing if there is none.

    Args:
        path: JSON file in UTF-8.
        section: Key of the object.
        chunk: Number of characters read at once.

    Raises:
        DataError: If the file cannot be read or is not JSON in UTF-8. Names line and column.
    """
    return _stream(path, section, "{", chunk)


def stream_elements(path: Path, section: str | None = None, chunk: int = CHUNK) -> Iterator[Any]:
    """Yield the elements of a list in a document; nothing if there is no such list.

    Args:
        path: JSON file in UTF-8.
        section: Key of the list; None if the document itself is the list.
        chunk: Number of characters read at once.

    Raises:
        DataError: If the file cannot be read or is not JSON in UTF-8. Names line and column.
    """
    return (value for _, value in _stream(path, section, "[", chunk))


def _stream(path: Path, section: str | None, kind: str, chunk: int) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _Document(file, chunk).entries(section, kind)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        read_json(path)  # reads the complete file and raises an error with line and column
        raise DataError(f"'{path}' cannot be read as JSON: {error}") from error


class _Document:
    """A JSON text of which only the current entry is in memory. Raises ValueError if it is not JSON."""

    def __init__(self, file: TextIO, chunk: int) -> None:
        self._file, self._chunk = file, chunk
        self._text, self._at = "", 0

    def entries(self, section: str | None, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield the entries of the object "{" or list "[" under a key, or of the document itself."""
        if section is None and self._peek() == kind:
            yield from self._entries()
        elif self._peek() == "{":
            for key in self._keys("}"):
                wanted = key == section and self._peek() == kind
                for entry in self._entries() if self._peek() in ("{", "[") else [("", self._value())]:
                    if wanted:
                        yield entry
        else:
            self._value()
        if self._peek():
            raise ValueError("there is extra data after the document")

    def _entries(self) -> Iterator[tuple[str, Any]]:
        for key in self._keys("}" if self._peek() == "{" else "]"):
            yield key, self._value()

    def _keys(self, closing: str) -> Iterator[str]:
        """Iterate over an object or a list: yield the key at each value, which the caller must then read."""
        self._at += 1
        if self._peek() == closing:
            self._at += 1
            return
        while True:
            key = ""
            if closing == "}":
                if self._peek() != '"':
                    raise ValueError("a key is missing")
                key = self._value()
                self._expect(":")
            yield key
            if self._peek() == closing:
                self._at += 1
                return
            self._expect(",")

    def _expect(self, expected: str) -> None:
        if self._peek() != expected:
            raise ValueError(f"'{expected}' is missing")
        self._at += 1

    def _peek(self) -> str:
        """Return the next character that is not blank without consuming it; empty at the end."""
        while True:
            match = BLANKS.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._read_more():
                    raise
                continue
            # A number at the end of the buffer, such as "1", "1." or "1e+", may continue in the next chunk.
            complete = end < len(self._text) and self._text[end] not in ".eE"
            if complete or not self._read_more():
                self._at = end
                return value

    def _read_more(self) -> bool:
        """Read the next chunk; return whether there was one.

        Reads at least as much as is left over, so that decoding an entry again takes linear time in total.
        """
        rest = self._text[self._at :]
        more = self._file.read(max(self._chunk, len(rest)))
        self._text, self._at = rest + more, 0
        return bool(more)

"""Parse untrusted XML: elements in document order, each with its line.

Uses the standard library's expat, not lxml: it reports lines, needs no other package, and opens no file
or address. A document type declaration is rejected before it is processed, because only there can
entities be declared that grow ("billion laughs") or load files. PAGE, ALTO and CTW1500 have none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ocr_trainer.errors import DataError

SIZE_LIMIT = 64 * 2**20
"""In bytes. A newspaper page with an outline for every letter has about 30 MB."""

ELEMENT_LIMIT = 1_000_000
"""Elements per file. Reading this many takes about half a gigabyte."""

DEPTH_LIMIT = 100
"""Levels of nested elements. Nested regions rarely reach ten."""

HEAD_BYTES = 64 * 2**10
"""Bytes parsed first: finding an element near the start rarely needs more."""


@dataclass(slots=True)
class Element:
    """An element without its namespace, so that all versions of a format parse alike."""

    tag: str
    attributes: dict[str, str]
    line: int
    """Line in the file where it begins, from 1."""
    children: list[Element] = field(default_factory=list)
    text: str = ""
    """Character data, if the element has no children."""

    def all(self, tag: str) -> list[Element]:
        """Return the children with a tag."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Element | None:
        """Return the first child with a tag, or None."""
        return next((child for child in self.children if child.tag == tag), None)


class _ElementFound(Exception):
    """The requested element was reached; ends the parse early."""


class _Builder:
    """Collects elements from expat's callbacks."""

    def __init__(self, path: Path, until: str | None) -> None:
        self.elements: list[Element] = []
        self._path, self._until = path, until
        self._open: list[Element] = []
        self._pieces: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._pieces.append

    def _refuse(self, *_: object) -> None:
        raise DataError(
            f"'{self._path}' declares a document type (line {self.parser.CurrentLineNumber}), which lets a"
            " file grow without limit or load other files; remove the declaration"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.elements) == ELEMENT_LIMIT:
            raise DataError(f"'{self._path}' has more than {ELEMENT_LIMIT:,} elements")
        if len(self._open) == DEPTH_LIMIT:
            raise DataError(f"'{self._path}' has more than {DEPTH_LIMIT} levels of elements")
        element = Element(name.rpartition(":")[2], attributes, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        self.elements.append(element)
        self._open.append(element)
        self._pieces.clear()
        if element.tag == self._until:
            raise _ElementFound

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if not element.children:
            element.text = "".join(self._pieces)
        self._pieces.clear()


def read_elements(path: Path, until: str | None = None) -> list[Element]:
    """Return the elements of an XML file in the order in which they begin.

    Args:
        path: XML file.
        until: Stop at the first element with this tag. It is the last one returned, without its content.

    Raises:
        DataError: If the file cannot be read, is not XML (names line and column), declares a document type,
            or exceeds a limit above.
    """
    builder = _Builder(path, until)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > SIZE_LIMIT:
                raise DataError(f"'{path}' has more than {SIZE_LIMIT // 2**20} MiB")
            builder.parser.Parse(file.read(HEAD_BYTES))
            # In one piece: before 2.6, expat rescans an unfinished token with every chunk (quadratic time).
            builder.parser.Parse(file.read(SIZE_LIMIT), True)
    except _ElementFound:
        pass
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}") from error
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise DataError(f"'{path}' is not XML: {place}: {expat.ErrorString(error.code)}") from error
    except (LookupError, ValueError) as error:  # from Python's codecs, for the declared encoding
        raise DataError(f"'{path}' is XML in an encoding that cannot be read: {error}") from error
    finally:
        del builder.parser  # breaks a reference cycle, so that memory is freed at once
    return builder.elements

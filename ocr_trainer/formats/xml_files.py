"""Reading XML of unknown origin: its elements in the order of the file, each with its line.

The standard library's expat, and not lxml: it says where an element stands, needs no other package, and
opens no file or address by itself. A document type declaration is refused before a word of it is
followed, because entities that grow ("billion laughs") or that fetch can be declared nowhere else, and
neither PAGE nor ALTO nor CTW1500 has one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ocr_trainer.errors import DataError

SIZE_LIMIT = 64 * 2**20
"""Bytes; a newspaper page with every letter outlined has about 30 MB."""

ELEMENT_LIMIT = 1_000_000
"""Elements of a file; they take about half a gigabyte while it is read."""

DEPTH_LIMIT = 100
"""Elements within elements; regions within regions seldom make ten."""

HEAD = 64 * 2**10
"""Bytes that are read first: who asks for the head of a file seldom needs more."""


@dataclass(slots=True)
class Element:
    """An element without its namespace, so that all versions of a format are read alike."""

    tag: str
    attributes: dict[str, str]
    line: int
    """Where it begins in the file, from 1."""
    children: list[Element] = field(default_factory=list)
    text: str = ""
    """What it contains, if it has no children."""

    def all(self, tag: str) -> list[Element]:
        """Return its children of that name."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Element | None:
        """Return its first child of that name."""
        return next((child for child in self.children if child.tag == tag), None)


class _Enough(Exception):
    """The element that was asked for has been met."""


class _Builder:
    """Takes elements from the parser."""

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
            f"'{self._path}' declares a document type (line {self.parser.CurrentLineNumber}), by which a file"
            " can grow without end or pull in others: remove the declaration"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.elements) == ELEMENT_LIMIT:
            raise DataError(f"'{self._path}' has more than {ELEMENT_LIMIT:,} elements")
        if len(self._open) == DEPTH_LIMIT:
            raise DataError(f"'{self._path}' has more than {DEPTH_LIMIT} elements within one another")
        element = Element(name.rpartition(":")[2], attributes, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        self.elements.append(element)
        self._open.append(element)
        self._pieces.clear()
        if element.tag == self._until:
            raise _Enough

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if not element.children:
            element.text = "".join(self._pieces)
        self._pieces.clear()


def read_elements(path: Path, until: str | None = None) -> list[Element]:
    """Return the elements of an XML file in the order in which they begin.

    Args:
        until: Stop at the first element of that name; it is the last returned, without its content.

    Raises:
        DataError: If the file cannot be read, is not XML (with line and column), declares a document
            type, or is beyond the limits above.
    """
    builder = _Builder(path, until)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > SIZE_LIMIT:
                raise DataError(f"'{path}' has more than {SIZE_LIMIT // 2**20} MiB")
            builder.parser.Parse(file.read(HEAD))
            # All at once: expat before 2.6 looks at an unfinished token anew with every part.
            builder.parser.Parse(file.read(SIZE_LIMIT), True)
    except _Enough:
        pass
    except OSError as fault:
        raise DataError(f"cannot read '{path}': {fault.strerror}") from fault
    except expat.ExpatError as fault:
        place = f"line {fault.lineno}, column {fault.offset + 1}"
        raise DataError(f"'{path}' is not XML: {place}: {expat.ErrorString(fault.code)}") from fault
    except (LookupError, ValueError) as fault:  # of Python's codecs, asked for the encoding it declares
        raise DataError(f"'{path}' is XML in an encoding that cannot be read: {fault}") from fault
    finally:
        del builder.parser  # it refers to the builder: together they would wait for the garbage collector
    return builder.elements

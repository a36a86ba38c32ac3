"""MATLAB files, level 5 (versions 5 to 7), as far as cell arrays of texts and numbers need it.

After MathWorks, *MAT-File Format*. Read here because scipy's reader ends the process on some damaged
files, and a training run must outlive one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_bytes

MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of data elements, and what numpy calls them."""
TEXTS = {1: "latin-1", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""Types of data elements that hold characters, and their encoding."""
CELL, CHAR, NUMERIC = 1, 4, range(6, 16)
"""Classes of arrays."""

MOST = 1 << 22
"""Bytes; a file that is larger, or unpacks to more, is none of an image's labels."""

Value = str | list[float]
"""What a cell holds."""


@dataclass(frozen=True)
class Cells:
    """A two-dimensional cell array with a name."""

    name: str
    rows: list[list[Value]]


def read_cells(path: Path) -> list[Cells]:
    """Return the cell arrays of a file; other variables, and cells in cells, are passed over.

    Raises:
        DataError: If the file cannot be read, is none of MATLAB's, or is damaged.
    """
    data = read_bytes(path)
    if data.startswith(b"MATLAB 7.3"):
        raise DataError(f"'{path}' is MATLAB 7.3 (HDF5); save it with -v7")
    if len(data) > MOST:
        raise DataError(f"'{path}' has more than {MOST >> 20} MiB")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise DataError(f"'{path}' is no MATLAB file of level 5")
    try:
        return [
            cells for kind, body in _unpacked(data[128:], order) for cells in _variable(kind, body, order)
        ]
    except (ValueError, zlib.error) as fault:
        raise DataError(f"'{path}' is damaged: {fault}") from fault


def _unpacked(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each variable."""
    room = MOST
    for kind, body in _elements(data, order):
        if kind != COMPRESSED:
            yield kind, body
            continue
        content = zlib.decompressobj().decompress(body, room)
        room -= len(content)
        if not room:
            raise ValueError(f"it unpacks to more than {MOST >> 20} MiB")
        yield from _elements(content, order)


def _variable(kind: int, body: bytes, order: str) -> Iterator[Cells]:
    if kind == MATRIX and body:
        class_, shape, name, parts = _array(body, order)
        if class_ == CELL and len(shape) == 2:
            items = [_value(inner, content, order) for inner, content in parts]
            if len(items) != math.prod(shape) or min(shape) < 0:
                raise ValueError(f"the cell array {name!r} is cut off")
            rows = shape[0] if items else 0
            yield Cells(name, [items[row::rows] for row in range(rows)])  # stored column after column


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each data element."""
    place = 0
    while place < len(data):
        kind, size = _numbers(data[place : place + 8], "u4", order, least=2)
        start, padding = place + 8, 0 if kind == COMPRESSED else -size % 8
        if kind >> 16:  # small: the size is in the upper half, and the content in the place of the size
            kind, size = kind & 0xFFFF, min(kind >> 16, 4)
            start, padding = place + 4, 4 - size
        if start + size > len(data):
            raise ValueError("it is cut off")
        yield kind, data[start : start + size]
        place = start + size + padding


def _array(body: bytes, order: str) -> tuple[int, list[int], str, Iterator[tuple[int, bytes]]]:
    """Return the class, the shape and the name of an array, and the elements of its content."""
    parts = _elements(body, order)
    try:
        (_, flags), (_, shape), (_, name) = next(parts), next(parts), next(parts)
    except StopIteration:
        raise ValueError("an array is cut off") from None
    class_ = int(_numbers(flags, "u4", order, least=1)[0]) & 0xFF
    return class_, _numbers(shape, "i4", order, least=2), name.decode("latin-1"), parts


def _value(kind: int, body: bytes, order: str) -> Value:
    """Return what a cell holds; an empty list for what is neither text nor numbers."""
    if kind != MATRIX:
        raise ValueError("a cell holds no array")
    if not body:
        return []
    class_, _, _, parts = _array(body, order)
    type_, content = next(parts, (0, b""))
    if class_ == CHAR and type_ in TEXTS:
        encoding = TEXTS[type_]
        if encoding in ("utf-16", "utf-32"):
            encoding += {"<": "-le", ">": "-be"}[order]
        return content.decode(encoding)
    if class_ in NUMERIC and type_ in NUMBERS:
        return _numbers(content, NUMBERS[type_], order)
    return []


def _numbers(content: bytes, type_: str, order: str, least: int = 0) -> list[int]:
    """Return the numbers of an element.

    Raises:
        ValueError: If they are cut off, or fewer than `least`.
    """
    dtype = np.dtype(f"{order}{type_}")
    if len(content) % dtype.itemsize or len(content) < least * dtype.itemsize:
        raise ValueError("it is cut off")
    return np.frombuffer(content, dtype=dtype).tolist() if content else []

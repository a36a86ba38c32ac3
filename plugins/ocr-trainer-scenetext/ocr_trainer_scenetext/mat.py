"""Read cell arrays of texts and numbers from MATLAB 5 files, which is what Total-Text needs.

The format follows MathWorks, *MAT-File Format*. `scipy.io.loadmat` crashes the process on some damaged files
(SIGSEGV), and it would end the training run with it. This reader raises DataError instead.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_bytes

MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
"""Types of numeric data elements, as numpy types."""
TEXTS = {1: "latin-1", 2: "utf-8", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}
"""Types of data elements that hold characters, with their encodings."""
CELL, CHAR, NUMERIC = 1, 4, range(6, 16)
"""Classes of arrays."""

MAX_BYTES = 1 << 22
"""Of a file, and of what it unpacks to; the labels of an image need far less."""

Value = str | list[float]
"""The content of a cell."""


def read_cells(path: Path) -> dict[str, list[list[Value]]]:
    """Return the rows of each two-dimensional cell array of a file, by name.

    Other variables are ignored. A cell that holds neither text nor numbers becomes an empty list.

    Raises:
        DataError: If the file cannot be read, is not a MATLAB 5 file, or is damaged.
    """
    data = read_bytes(path)
    if data.startswith(b"MATLAB 7.3"):
        raise DataError(f"'{path}' is a MATLAB 7.3 file (HDF5), which is not supported; save it with -v7")
    if len(data) > MAX_BYTES:
        raise DataError(f"'{path}' has more than {MAX_BYTES >> 20} MiB")
    if data[126:128] != b"IM":
        raise DataError(f"'{path}' is not a MATLAB 5 file (little-endian, saved with -v6 or -v7)")
    try:
        return dict(_cell_arrays(data[128:]))
    except (ValueError, zlib.error) as fault:
        raise DataError(f"'{path}' is damaged: {fault}") from fault


def _cell_arrays(data: bytes) -> Iterator[tuple[str, list[list[Value]]]]:
    for kind, body in _unpacked(data):
        if kind != MATRIX or not body:
            continue
        class_, shape, name, parts = _array(body)
        if class_ != CELL or len(shape) != 2:
            continue
        values = [_value(*part) for part in parts]
        if len(values) != math.prod(shape) or min(shape) < 0:
            raise ValueError(f"the cell array {name!r} is cut off")
        rows = shape[0] if values else 0
        yield name, [values[row::rows] for row in range(rows)]  # MATLAB stores column after column


def _unpacked(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each variable."""
    room = MAX_BYTES
    for kind, body in _elements(data):
        if kind != COMPRESSED:
            yield kind, body
            continue
        content = zlib.decompressobj().decompress(body, room)
        room -= len(content)
        if not room:  # also because zlib takes 0 for "no limit"
            raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
        yield from _elements(content)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each data element."""
    place = 0
    while place < len(data):
        kind, size = _integers(data[place : place + 8], "<u4", least=2)
        start, padding = place + 8, 0 if kind == COMPRESSED else -size % 8
        if kind >> 16:  # a small element: the size is in the upper half, the content in place of the size
            kind, size = kind & 0xFFFF, min(kind >> 16, 4)
            start, padding = place + 4, 4 - size
        if start + size > len(data):
            raise ValueError("it is cut off")
        yield kind, data[start : start + size]
        place = start + size + padding


def _array(body: bytes) -> tuple[int, list[int], str, Iterator[tuple[int, bytes]]]:
    """Return class, shape and name of an array, and the elements of its content."""
    parts = _elements(body)
    try:
        (_, flags), (_, shape), (_, name) = next(parts), next(parts), next(parts)
    except StopIteration:
        raise ValueError("an array is cut off") from None
    class_ = _integers(flags, "<u4", least=1)[0] & 0xFF
    return class_, _integers(shape, "<i4", least=2), name.decode("latin-1"), parts


def _value(kind: int, body: bytes) -> Value:
    if kind != MATRIX:
        raise ValueError("a cell holds no array")
    if not body:
        return []
    class_, _, _, parts = _array(body)
    type_, content = next(parts, (0, b""))
    if class_ == CHAR and type_ in TEXTS:
        return content.decode(TEXTS[type_])
    if class_ in NUMERIC and type_ in NUMBERS:
        values: list[float] = _numbers(content, NUMBERS[type_]).tolist()
        return values
    return []


def _integers(content: bytes, dtype: str, least: int) -> list[int]:
    """Return at least this many integers."""
    integers: list[int] = _numbers(content, dtype).tolist()
    if len(integers) < least:
        raise ValueError("it is cut off")
    return integers


def _numbers(content: bytes, dtype: str) -> np.ndarray:
    if len(content) % np.dtype(dtype).itemsize:
        raise ValueError("it is cut off")
    return np.frombuffer(content, dtype=dtype)

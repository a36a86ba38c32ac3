"""Masks of Label Studio's brush: where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

CHANNELS = 4
"""A mask is an RGBA image, of which the last channel says what is painted."""


def brush_box(rle: Any, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what is painted.

    Args:
        rle: The run-length encoding, a list of bytes: 32 bits for the number of values, 5 for the length of a
            value, four times 4 for the lengths of run lengths, and then runs and literal values.
        size: Height and width of the image.

    Raises:
        ValueError: It is not such a list, or nothing is painted.
    """
    height, width = size
    expected = height * width * CHANNELS
    if not (isinstance(rle, list) and all(type(value) is int and 0 <= value < 256 for value in rle)):
        raise ValueError("its rle is not a list of bytes")
    rows, columns = np.zeros(height, bool), np.zeros(width, bool)
    bits = _Bits(bytes(rle))
    count = bits.read(32)
    if count != expected:
        raise ValueError(f"its rle has {count:,} values, but its image {expected:,}")
    value_bits = bits.read(5) + 1
    run_bits = [bits.read(4) + 1 for _ in range(4)]
    place = 0
    while place < count:
        is_run = bits.read(1)
        end = min(place + 1 + bits.read(run_bits[bits.read(2)]), count)
        if is_run:
            _mark(rows, columns, place, end, bits.read(value_bits))
        else:
            for at in range(place, end):
                _mark(rows, columns, at, at + 1, bits.read(value_bits))
        place = end
    if not rows.any():
        raise ValueError("nothing of it is painted")
    down, across = np.flatnonzero(rows), np.flatnonzero(columns)
    return float(across[0]), float(down[0]), float(across[-1] + 1), float(down[-1] + 1)


def _mark(rows: np.ndarray, columns: np.ndarray, start: int, end: int, value: int) -> None:
    """Mark the rows and columns of the pixels whose last channel is among some values, if they are not 0."""
    first, last = -(-(start - CHANNELS + 1) // CHANNELS), (end - CHANNELS) // CHANNELS
    if not value or last < first:
        return
    width = len(columns)
    rows[first // width : last // width + 1] = True
    if last // width > first // width:
        columns[first % width :] = columns[: last % width + 1] = True
        columns[:] |= last // width > first // width + 1
    else:
        columns[first % width : last % width + 1] = True


class _Bits:
    """Reads numbers of any number of bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def read(self, length: int) -> int:
        """Return the next number."""
        first, last = self._place // 8, -(-(self._place + length) // 8)
        if last > len(self._data):
            raise ValueError("its rle is truncated")
        number = int.from_bytes(self._data[first:last], "big")
        self._place += length
        return (number >> (8 * last - self._place)) & ((1 << length) - 1)

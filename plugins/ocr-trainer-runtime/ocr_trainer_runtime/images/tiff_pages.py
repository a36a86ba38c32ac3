"""The pages of a TIFF: one directory each, chained in the file. Reduced copies of a page are no pages."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

from ocr_trainer_runtime.images.tiff import MAGICS

SUBFILE, REDUCED = 254, 1
"""The tag of what a directory is, and its bit for a reduced copy, such as a thumbnail."""
PAGE_LIMIT = 10_000
"""Largest number of directories that are followed; a damaged chain may lead in a circle."""


def offsets(file: Path | bytes) -> list[int]:
    """Return where the directories of the pages begin; none if it is no TIFF, or a damaged one."""
    try:
        with file.open("rb") if isinstance(file, Path) else io.BytesIO(file) as opened:
            return _offsets(opened)
    except (OSError, struct.error, OverflowError, ValueError):
        return []


def single(data: bytes, offset: int) -> bytes:
    """Return a TIFF whose first page is that of a directory."""
    order, big = MAGICS[data[:4]], b"+" in data[:4]
    # The header ends with the place of the first directory.
    start = 8 if big else 4
    place = struct.pack(order + ("Q" if big else "I"), offset)
    return b"".join([data[:start], place, memoryview(data)[start + len(place) :]])


def _offsets(file: BinaryIO) -> list[int]:
    magic = file.read(4)
    if (order := MAGICS.get(magic)) is None:
        return []
    big = b"+" in magic
    word, count_of = (
        struct.Struct(order + ("Q" if big else "I")),
        struct.Struct(order + ("Q" if big else "H")),
    )
    entry = struct.Struct(f"{order}HH{word.format[1:]}I")
    room = 20 if big else 12
    file.seek(8 if big else 4)
    (place,) = word.unpack(file.read(word.size))
    seen: dict[int, bool] = {}
    while place and place not in seen and len(seen) < PAGE_LIMIT:
        file.seek(place)
        (count,) = count_of.unpack(file.read(count_of.size))
        table = file.read(room * min(count, 1 << 12))
        kinds = (entry.unpack_from(table, start) for start in range(0, len(table) - entry.size + 1, room))
        seen[place] = not any(tag == SUBFILE and value & REDUCED for tag, _, _, value in kinds)
        file.seek(place + count_of.size + room * count)
        (place,) = word.unpack(file.read(word.size))
    return [place for place, page in seen.items() if page]

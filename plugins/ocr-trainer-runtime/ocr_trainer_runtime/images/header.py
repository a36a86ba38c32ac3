"""The headers of usual JPEG, PNG, WebP and BMP files: size, transparency and orientation, in a few reads.

Whatever is unusual is left to Pillow, which knows more: then `read` returns None.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ocr_trainer_runtime.images import tiff
from ocr_trainer_runtime.images.jpeg import FRAMES
from ocr_trainer_runtime.images.kinds import kind_of

EXIF = b"Exif\0\0"
MOST_CHUNKS = 1 << 12
"""Segments or chunks before the pixels."""
MOST_INFLATED = 1 << 20
"""Bytes of a compressed text or color profile; Pillow's own limit."""
GRAY_ALPHA, RGB_ALPHA, PALETTE = 4, 6, 3
CHANNELS = {0: (1, 2, 4, 8, 16), 2: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
"""The depths of each kind of PNG."""


class Header(NamedTuple):
    """What a header says."""

    size: tuple[int, int]
    """Height and width."""
    transparent: bool
    orientation: int
    """EXIF orientation, 1 for none."""


def read(file: BinaryIO) -> Header | None:
    """Return what the header of an image says; None if it is of another format, damaged or unusual."""
    readers = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "BMP": _bmp}
    file.seek(0)
    reader = readers.get(kind_of(file.read(16)) or "")
    file.seek(0)
    try:
        header = reader(file) if reader is not None else None
    except (struct.error, ValueError):
        return None
    return header if header is not None and all(header.size) else None


def orientation_of(exif: bytes) -> int:
    """Return the orientation in EXIF data; 1 if there is none, or it is damaged."""
    try:
        directory = tiff.read_header(io.BytesIO(exif.removeprefix(EXIF)))
    except ValueError:
        return 1
    return 1 if directory is None else directory.orientation


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _jpeg(file: BinaryIO) -> Header | None:
    exif = b""
    file.seek(2)
    for _ in range(MOST_CHUNKS):
        start, marker = _unpack(file, "BB")
        if start != 0xFF or marker in (0x00, 0x01, 0xFF, 0xD8, 0xD9, 0xDA):
            return None
        (length,) = _unpack(file, ">H")
        if marker in FRAMES:
            bits, height, width, channels = _unpack(file, ">BHHB")
            usual = bits == 8 and channels in (1, 3, 4)
            return Header((height, width), False, orientation_of(exif)) if usual else None
        content = file.read(length - 2)
        if len(content) != length - 2:
            return None
        if marker == 0xE1 and content.startswith(EXIF):
            exif += content.removeprefix(EXIF) if exif else content
    return None


def _png(file: BinaryIO) -> Header | None:
    size, kind, transparent, exif, deep = (0, 0), -1, False, b"", False
    file.seek(8)
    for _ in range(MOST_CHUNKS):
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IDAT":
            # Of deep transparent pixels, Pillow decides which bits count.
            return None if transparent and deep else Header(size, transparent, orientation_of(exif))
        content = file.read(length) if length < 1 << 24 else b""
        if len(content) != length or zlib.crc32(name + content) != _unpack(file, ">I")[0]:
            return None
        if name == b"IHDR":
            width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", content)
            if depth not in CHANNELS.get(kind, ()) or rest[:2] != [0, 0]:
                return None
            size, deep, transparent = (height, width), depth == 16, kind in (GRAY_ALPHA, RGB_ALPHA)
        elif kind < 0 or name in (b"IEND", b"acTL"):
            return None
        elif name == b"tRNS":
            transparent = True
            if kind != PALETTE:
                return None
        elif name == b"eXIf":
            exif = content
        elif name in (b"iCCP", b"zTXt", b"iTXt") and _is_bomb(content.partition(b"\0")[2]):
            return None
    return None


def _is_bomb(content: bytes) -> bool:
    """Return whether compressed data, with some bytes before it, is much longer than it looks."""
    start = content.find(b"\x78")
    if start < 0:
        return False
    decoder = zlib.decompressobj()
    try:
        decoder.decompress(content[start:], MOST_INFLATED)
    except zlib.error:
        return True  # Pillow says what is wrong
    return bool(decoder.unconsumed_tail)


def _webp(file: BinaryIO) -> Header | None:
    alpha, exif, size = False, b"", (0, 0)
    for name, content in _chunks(file):
        if name == b"VP8 ":
            if content[3:6] != b"\x9d\x01\x2a":
                return None
            width, height = struct.unpack_from("<HH", content, 6)
            size = height & 0x3FFF, width & 0x3FFF
        elif name == b"VP8L":
            if content[0] != 0x2F:
                return None
            (bits,) = struct.unpack_from("<I", content, 1)
            size = 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
            alpha |= bool(bits >> 28 & 1)
        elif name == b"VP8X":
            if content[0] & 2:  # animated
                return None
            alpha |= bool(content[0] & 16)
        elif name == b"EXIF":
            exif = content
    return Header(size, alpha, orientation_of(exif))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names of the chunks of a RIFF file, and their content or, of pixels, its beginning."""
    file.seek(12)
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, length = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, file.read(length if name == b"EXIF" and length < 1 << 24 else min(length, 16))
        file.seek(start + length + length % 2, os.SEEK_SET)


def _bmp(file: BinaryIO) -> Header | None:
    file.seek(14)
    size, width, height, planes, bits, compression = _unpack(file, "<IiiHHI")
    usual = size in (40, 108, 124) and planes == 1 and bits in (1, 4, 8, 24) and compression == 0
    return Header((abs(height), width), False, 1) if usual and width > 0 else None

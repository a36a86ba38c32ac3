"""A font without visible glyphs, for the invisible text of searchable PDFs.

Each glyph is a contour of two points: PDF readers can select and measure its extent, but it has no area to
paint. The idea is Tesseract's (`pdfrenderer.cpp`). Its glyphs are empty, and PDFium drops texts of a single
empty glyph.
"""

from __future__ import annotations

import struct

EM = 1000
"""Units of the font per font size."""
LOW, HIGH = 300, 700
"""Lower and upper end of each glyph. They leave space between lines whose outlines touch or overlap, as those
of DBNet do, because PDFium takes letters that overlap vertically for one line."""
NARROW, WIDE = 1, 2
"""The glyphs: half as wide as the font size, and as wide."""
WIDTHS = (0, 500, 1000)
"""Width of each glyph; the first one is for missing glyphs."""

_SUM = 0xB1B0AFBA
"""The checksum that a font has with its adjustment."""


def font() -> bytes:
    """Return the font, in the TrueType format with the tables that a PDF needs.

    Source: Microsoft, OpenType 1.9.1, chapters on the tables; ISO 32000-1, 9.9.
    """
    glyphs = [b"", *(_glyph(width) for width in WIDTHS[1:])]
    starts = [sum(map(len, glyphs[:count])) for count in range(len(glyphs) + 1)]
    tables = {
        b"glyf": b"".join(glyphs),
        b"head": _head(),
        b"hhea": struct.pack(">I3hH11hH", 0x10000, EM, 0, 0, EM, 0, 0, EM, 1, *[0] * 7, len(WIDTHS)),
        b"hmtx": b"".join(struct.pack(">Hh", width, 0) for width in WIDTHS),
        b"loca": struct.pack(f">{len(starts)}H", *(start // 2 for start in starts)),
        b"maxp": struct.pack(">I14H", 0x10000, len(WIDTHS), 2, 1, 0, 0, 1, *[0] * 8),
    }
    directory, body = struct.pack(">I4H", 0x10000, len(tables), 64, 2, 32), b""
    start = len(directory) + 16 * len(tables)
    for tag, table in tables.items():
        directory += struct.pack(">4s3I", tag, _checksum(table), start + len(body), len(table))
        body += _padded(table)
    adjustment = (_SUM - _checksum(directory + body)) & 0xFFFFFFFF
    return directory + body.replace(_head(), _head(adjustment))


def _glyph(width: int) -> bytes:
    outline = struct.pack(">5h2H2B4h", 1, 0, LOW, width, HIGH, 1, 0, 1, 1, 0, width, LOW, HIGH - LOW)
    return outline + b"\0" * (len(outline) % 2)


def _head(adjustment: int = 0) -> bytes:
    box = (0, LOW, max(WIDTHS), HIGH)
    return struct.pack(
        ">4I2H2q4h2H3h", 0x10000, 0x10000, adjustment, 0x5F0F3CF5, 0, EM, 0, 0, *box, 0, 8, 2, 0, 0
    )


def _padded(table: bytes) -> bytes:
    return table + b"\0" * (-len(table) % 4)


def _checksum(table: bytes) -> int:
    padded = _padded(table)
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF

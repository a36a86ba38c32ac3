"""Encoded images that are broken, odd or made to fill the memory."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image as Pillow

PAGE = np.kron(np.random.default_rng(0).integers(0, 255, (4, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
"""32 x 48 pixels, of flat squares, which JPEG keeps."""


def encoded(kind: str, picture: Pillow.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (picture or Pillow.fromarray(PAGE)).save(file, format=kind, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of one gray, of which the first rows are there."""
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(width + 1)) for _ in range(min(height, 20))) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = (chunk(b"IHDR", head), *chunks, chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(data)


def tiff_of_pages(pages: int) -> bytes:
    """A TIFF of pages of one pixel, chained as the format has it."""
    entries = [(256, 1), (257, 1), (258, 8), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1)]
    size = 2 + 12 * len(entries) + 4
    body = b"".join(struct.pack("<HHII", tag, 3 if tag != 273 else 4, 1, value) for tag, value in entries)
    head = struct.pack("<2sHI", b"II", 42, 12) + b"\x80\0\0\0"
    starts = (12 + size * (number + 1) for number in range(pages))
    links = (start if number < pages - 1 else 0 for number, start in enumerate(starts))
    return head + b"".join(struct.pack("<H", len(entries)) + body + struct.pack("<I", link) for link in links)


BROKEN = {
    "empty": b"",
    "text": b"10,10,20,10,20,20,10,20,TOTAL\n",
    "truncated JPEG": encoded("JPEG")[:-200],
    "truncated PNG": encoded("PNG")[:-40],
    "header only": encoded("PNG")[:33],
    "0 x 0": png(0, 0),
    "GIF": encoded("GIF"),
}

ODD = {
    "CMYK": encoded("JPEG", Pillow.fromarray(PAGE).convert("CMYK"), quality=95),
    "16 bits": encoded("PNG", Pillow.fromarray(PAGE[..., 0].astype(np.uint16) * 257)),
    "alpha": encoded("PNG", Pillow.fromarray(np.dstack([PAGE, np.full(PAGE.shape[:2], 255, np.uint8)]))),
    "animated PNG": encoded(
        "PNG", save_all=True, append_images=[Pillow.fromarray(255 - PAGE)], default_image=False
    ),
    "animated WebP": encoded(
        "WEBP", save_all=True, append_images=[Pillow.fromarray(255 - PAGE)], lossless=True
    ),
    "pages of a TIFF": encoded("TIFF", save_all=True, append_images=[Pillow.fromarray(255 - PAGE)]),
    "wrong suffix": encoded("BMP"),
    "one pixel": encoded("PNG", Pillow.new("RGB", (1, 1), (9, 8, 7))),
}

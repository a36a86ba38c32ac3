"""The formats of images: by suffix, by the first bytes of a file, and which of them can be decoded here."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"}
    | {".jp2", ".j2k", ".jpx", ".heic", ".heif", ".avif"}
)
"""Suffixes of image files, in lower case."""

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
"""Accepted formats that OpenCV decodes, by Pillow's names."""

MORE_FORMATS = ("JPEG2000", "AVIF", "HEIF")
"""Accepted formats that Pillow decodes, if it can: HEIF needs the package pillow-heif.

Formats that execute code, such as EPS, are left out.
"""

SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (6, b"\0\0\0\0", "BMP"),
    (0, b"GIF8", "GIF"),
    (4, b"jP  \r\n\x87\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    *((4, b"ftyp" + brand, "AVIF") for brand in (b"avif", b"avis")),
    *((4, b"ftyp" + brand, "HEIF") for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1")),
)
"""Position and value of the bytes that identify a format."""


def kind_of(start: bytes) -> str | None:
    """Return the format of an image by the first 16 bytes of its file; None if they are of no known one."""
    kinds = [kind for at, mark, kind in SIGNATURES if start[at : at + len(mark)] == mark]
    # The zeros of a BMP are in many files; with its two letters, they are rare enough.
    return next((kind for kind in kinds if kind != "BMP" or start.startswith(b"BM")), None)


@cache
def decodable() -> tuple[str, ...]:
    """Return the accepted formats that can be decoded here, by Pillow's names."""
    from PIL import Image as Pillow

    with suppress(ImportError):
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]

        pillow_heif.register_heif_opener()
    Pillow.init()
    return tuple(name for name in (*FORMATS, *MORE_FORMATS) if name in Pillow.OPEN)

"""The formats of images: by suffix, by the first bytes of a file, and which of them can be decoded here."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import PurePath
from typing import BinaryIO

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

PILLOW = "Pillow (pip install 'ocr-trainer-runtime[images]')"

SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG",
    "TIFF": rb"II\*\0|MM\0\*",
    "WEBP": rb".{8}WEBP",
    "BMP": rb"BM.{4}\0{4}",  # two letters alone are too few to trust
    "GIF": rb"GIF8",
    "JPEG2000": rb".{4}jP  \r\n\x87\n|\xff\x4f\xff\x51",
    "AVIF": rb".{4}ftypavi[fs]",
    "HEIF": rb".{4}ftyp(hei[cxms]|hevc|mif1)",
}
"""Regular expression for the first bytes of a file, by format."""


def is_image(path: PurePath) -> bool:
    """Return whether a path has the suffix of an image."""
    return path.suffix.lower() in SUFFIXES


def kind_of(start: bytes) -> str | None:
    """Return the format of an image by the first 16 bytes of its file; None if they are of no known one."""
    found = (kind for kind, pattern in SIGNATURES.items() if re.match(pattern, start, re.DOTALL))
    return next(found, None)


@cache
def decodable() -> tuple[str, ...]:
    """Return the accepted formats that can be decoded here, by Pillow's names."""
    try:
        from PIL import Image as Pillow
    except ImportError:
        return FORMATS
    with suppress(ImportError):
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]

        pillow_heif.register_heif_opener()
    Pillow.init()
    return tuple(name for name in (*FORMATS, *MORE_FORMATS) if name in Pillow.OPEN)


def why_unreadable(file: BinaryIO) -> str:
    """Return why a file that cannot be opened is no usable image."""
    file.seek(0)
    kind = kind_of(file.read(16))
    if kind == "GIF":
        return "it is GIF, which is not read: convert it to PNG"
    if kind in MORE_FORMATS and kind not in decodable():
        other = "another version of Pillow" if find_spec("PIL") else PILLOW
        package = "the package pillow-heif" if kind == "HEIF" else other
        return f"it is {kind}, which needs {package}; or convert it to JPEG or PNG"
    if kind is not None:
        return f"it is {kind}, but its header is damaged"
    names = [*FORMATS, *(name for name in MORE_FORMATS if name in decodable())]
    return f"it is not {', '.join(names[:-1])} or {names[-1]}, or its header is damaged"

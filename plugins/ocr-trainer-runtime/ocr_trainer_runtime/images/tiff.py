"""TIFF, whose pixels may be almost anything: what the header says of them, and how they become 8-bit RGB.

OpenCV and Pillow read different sets of them, so both are tried. What neither reads is refused with its
reason. The orientation is taken out before decoding: both would apply it, and labels may be of stored pixels.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

from ocr_trainer_runtime.images.depth import Range, to_8_bits
from ocr_trainer_runtime.images.pillow import BROKEN, on_white, opened
from ocr_trainer_runtime.types import Image

MAGICS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
"""First bytes, and the order of bytes that they mean. A plus is BigTIFF."""
TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
"""The types of values in a directory that are numbers, by their code."""
MOST_VALUES = 1 << 20
"""Values of an entry. A page of 100,000 rows has as many strips at most."""
WIDTH, HEIGHT, BITS, COMPRESSION = 256, 257, 258, 259
PHOTOMETRIC, ORIENTATION, SAMPLES = 262, 274, 277
LOWEST, HIGHEST, EXTRA, FORMAT, REAL_LOWEST, REAL_HIGHEST = 280, 281, 338, 339, 340, 341
OFFSETS, COUNTS, PLANAR, TILE_OFFSETS, TILE_COUNTS = 273, 279, 284, 324, 325
UNSIGNED, SIGNED, REAL = 1, 2, 3
KINDS = {UNSIGNED: "integers", SIGNED: "signed integers", REAL: "floating-point numbers", 4: "undefined data"}
WHITE_IS_ZERO, CMYK = 0, 5
ASSOCIATED, ALPHA = 1, 2


class Tiff(NamedTuple):
    """What the first directory of a file says."""

    order: str
    entries: dict[int, tuple[float, ...]]
    places: dict[int, int]
    """Where the value of an entry stands in the file, if it stands in its directory."""

    def value(self, tag: int, default: float) -> float:
        """Return the first value of an entry."""
        return (self.entries.get(tag) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.value(HEIGHT, 0)), int(self.value(WIDTH, 0))

    @property
    def orientation(self) -> int:
        """The orientation, 1 for none."""
        return int(self.value(ORIENTATION, 1))

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        return int(max(self.entries.get(BITS) or (1,)))

    @property
    def samples(self) -> int:
        """Samples of a pixel."""
        return int(self.value(SAMPLES, 1))

    @property
    def kind(self) -> int:
        """What a sample is: an integer, a signed one, a floating-point number."""
        return int(self.value(FORMAT, UNSIGNED))

    @property
    def transparent(self) -> bool:
        """Whether a sample of each pixel says how opaque it is."""
        return self.value(EXTRA, 0) in (ASSOCIATED, ALPHA)

    @property
    def deep(self) -> bool:
        """Whether samples have to be converted to 8 bits."""
        return self.bits > 8 or self.kind != UNSIGNED

    @property
    def stated_range(self) -> Range | None:
        """The values of black and white, if the file says so."""
        high = self.entries.get(REAL_HIGHEST) or self.entries.get(HIGHEST)
        low = self.entries.get(REAL_LOWEST) or self.entries.get(LOWEST) or (0,)
        return (float(min(low)), float(max(high))) if high else None

    def __str__(self) -> str:
        what = KINDS.get(self.kind, "complex numbers")
        each = f"{self.samples} samples" if self.samples > 1 else "one sample"
        return f"{each} per pixel, {self.bits}-bit {what}"


def read_header(file: BinaryIO) -> Tiff | None:
    """Return what a TIFF says, or None if a file is of another format.

    Raises:
        ValueError: It is damaged.
    """
    order = MAGICS.get(magic := file.read(4))
    if order is None:
        return None
    big = b"+" in magic
    try:
        return _directory(file, order, big)
    except (struct.error, OverflowError) as error:
        raise ValueError("the header of the TIFF is damaged") from error


def _directory(file: BinaryIO, order: str, big: bool) -> Tiff:
    word, count_of = ("Q", "Q") if big else ("I", "H")
    if big:
        file.seek(8)
    (start,) = _unpack(file, order + word)
    file.seek(start)
    (count,) = _unpack(file, order + count_of)
    entries: dict[int, tuple[float, ...]] = {}
    places: dict[int, int] = {}
    entry = struct.Struct(f"{order}HH{word}")
    room = struct.calcsize(f"{order}{word}")
    for _ in range(min(count, 1 << 12)):
        tag, code, number = entry.unpack(file.read(entry.size))
        place = file.tell()
        if code in TYPES and number <= MOST_VALUES:
            form = f"{order}{number}{TYPES[code]}"
            if struct.calcsize(form) <= room:
                places[tag] = place
            else:
                file.seek(*_unpack(file, order + word))
            entries[tag] = _unpack(file, form)
        file.seek(place + room)
    return Tiff(order, entries, places)


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def decode(data: bytes, tiff: Tiff) -> Image:
    """Return the stored pixels, on white where they are transparent.

    Raises:
        ValueError: They cannot be read; the message is the reason.
    """
    if any(first + size > len(data) for first, size in _pieces(tiff)):
        raise ValueError("it is truncated")
    data = _without_orientation(data, tiff)
    if not tiff.deep and not tiff.transparent and (pixels := _opencv(data, color=True)) is not None:
        return pixels
    if tiff.deep and tiff.samples > 1 and tiff.value(PLANAR, 1) == 2:
        return _converted(_planes(data, tiff), tiff)
    if tiff.deep:
        pixels = _opencv(data, color=False)
        if pixels is None:
            pixels = _pillow_samples(data, tiff)
        if pixels is not None:
            return _converted(pixels, tiff)
    pixels = _pillow(data)
    if pixels is None:
        raise ValueError(f"a TIFF with {tiff} cannot be read: save it with 8 or 16 bits")
    return pixels


def _planes(data: bytes, tiff: Tiff) -> np.ndarray:
    """Return deep samples that are stored in planes, which OpenCV and Pillow mix up.

    Raises:
        ValueError: They are compressed, or in tiles.
    """
    kind = {UNSIGNED: "u", SIGNED: "i", REAL: "f"}.get(tiff.kind)
    content = b"".join(data[int(first) : int(first + size)] for first, size in _pieces(tiff))
    shape = (tiff.samples, *tiff.size)
    if kind is None or tiff.bits % 8 or tiff.value(COMPRESSION, 1) != 1 or TILE_OFFSETS in tiff.entries:
        raise ValueError(f"a TIFF with {tiff}, in planes, cannot be read: save it with 8 bits")
    dtype = np.dtype(f"{tiff.order}{kind}{tiff.bits // 8}")
    if len(content) != np.prod(shape) * dtype.itemsize:
        raise ValueError("it is truncated")
    return np.moveaxis(np.frombuffer(content, dtype).reshape(shape), 0, 2)


def _pieces(tiff: Tiff) -> list[tuple[float, float]]:
    """Return the places and lengths of the strips or tiles."""
    pairs = ((OFFSETS, COUNTS), (TILE_OFFSETS, TILE_COUNTS))
    return [
        piece
        for offsets, counts in pairs
        for piece in zip(tiff.entries.get(offsets, ()), tiff.entries.get(counts, ()), strict=False)
    ]


def _without_orientation(data: bytes, tiff: Tiff) -> bytes:
    if tiff.orientation == 1 or ORIENTATION not in tiff.places:
        return data
    place = tiff.places[ORIENTATION]
    # A short, at the beginning of its field in both orders of bytes.
    return data[:place] + struct.pack(f"{tiff.order}H", 1) + data[place + 2 :]


def _converted(pixels: np.ndarray, tiff: Tiff) -> Image:
    """Return samples of any type as 8-bit RGB."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    alpha = pixels[..., -1:] if tiff.transparent and pixels.shape[2] in (2, 4) else None
    colors = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    if pixels.dtype == np.uint8 and tiff.kind == UNSIGNED:  # the decoder has converted it
        image = colors
    else:
        image = to_8_bits(colors, tiff.stated_range, tiff.value(PHOTOMETRIC, 1) == WHITE_IS_ZERO)
    image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image)
    if alpha is None:
        return image
    opaque = to_8_bits(alpha) / 255.0
    below = image if tiff.value(EXTRA, 0) == ASSOCIATED else image * opaque
    result: Image = np.rint(np.clip(below + 255 * (1 - opaque), 0, 255)).astype(np.uint8)
    return result


def _opencv(data: bytes, color: bool) -> np.ndarray | None:
    """Decode with OpenCV, to 8-bit RGB or to whatever the samples are; None if it cannot."""
    from ocr_trainer_runtime.images.opencv import cv2

    form = cv2.IMREAD_COLOR if color else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), form | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if pixels is None or pixels.ndim == 2:
        return pixels
    swaps = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    if pixels.dtype.itemsize > 4 or pixels.dtype.kind != "f":  # OpenCV converts no colors of these types
        order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.shape[2] in swaps else slice(None)
        return np.ascontiguousarray(pixels[..., order])
    return cv2.cvtColor(pixels, swaps[pixels.shape[2]]) if pixels.shape[2] in swaps else pixels


def _pillow_samples(data: bytes, tiff: Tiff) -> np.ndarray | None:
    """Decode gray samples with Pillow as what they are; None if it cannot."""
    try:
        with opened(io.BytesIO(data), ("TIFF",)) as image:
            samples = np.asarray(image) if image.mode[0] in "IF" else None
    except BROKEN:
        return None
    # Pillow has no mode for unsigned integers of 32 bits, and keeps them as signed ones.
    unsigned = samples is not None and samples.dtype == np.int32 and tiff.kind == UNSIGNED
    return samples.view(np.uint32) if samples is not None and unsigned else samples


def _pillow(data: bytes) -> Image | None:
    """Decode to 8-bit RGB with Pillow, on white; None if it cannot."""
    try:
        with opened(io.BytesIO(data), ("TIFF",)) as image:
            return on_white(image)
    except BROKEN:
        return None

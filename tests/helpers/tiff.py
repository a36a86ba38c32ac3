"""TIFF written by hand, with any kind of samples."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

CODES = {3: "H", 4: "I", 11: "f", 12: "d"}
Entry = tuple[int, int, Sequence[float]]


def tiff(
    samples: np.ndarray,
    bits: int,
    kind: int | None = 1,
    photometric: int = 1,
    more: Sequence[Entry] = (),
    order: str = "<",
    packed: bytes | None = None,
    planar: int = 1,
) -> bytes:
    """A TIFF of one strip, or of one per plane, without compression.

    Args:
        samples: Of shape (height, width) or (height, width, samples).
        bits: Bits of a sample.
        kind: 1 for integers, 2 for signed ones, 3 for floating-point numbers; None leaves the entry out.
        photometric: 0 where white is 0, 1 for gray, 2 for RGB, 3 for a palette.
        more: Further entries: tag, type, values.
        order: Order of bytes, as `struct` has it.
        packed: The bytes of the samples, if they are no array's.
        planar: 2 to store the samples in planes.
    """
    height, width = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    planes = np.moveaxis(samples, 2, 0) if planar == 2 else samples[None]
    strips = [plane.astype(samples.dtype.newbyteorder(order)).tobytes() for plane in planes]
    strips = strips if packed is None else [packed]
    entries: list[Entry] = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * count), (259, 3, [1])]
    entries += [(262, 3, [photometric]), (277, 3, [count]), (278, 4, [height]), (284, 3, [planar]), *more]
    entries += [] if kind is None else [(339, 3, [kind] * count)]
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    places = [start + sum(map(len, strips[:n])) for n in range(len(strips))]
    entries += [(273, 4, places), (279, 4, list(map(len, strips)))]
    body = b"".join(strips)
    body += b"\0" * (len(body) % 2)
    rows = []
    for tag, code, values in sorted(entries):
        content = struct.pack(f"{order}{len(values)}{CODES[code]}", *values)
        if len(content) > 4:
            place, body = start + len(body), body + content + b"\0" * (len(content) % 2)
            content = struct.pack(f"{order}I", place)
        rows.append(struct.pack(f"{order}HHI", tag, code, len(values)) + content.ljust(4, b"\0"))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(rows))
    return head + b"".join(rows) + struct.pack(f"{order}I", 0) + body

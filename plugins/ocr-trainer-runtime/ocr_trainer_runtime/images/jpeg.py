"""JPEG files that lack only their end marker, as interrupted copies and some cameras leave them.

Viewers show them without a word. Releases of OpenCV differ: some refuse them, others read whatever is there
and fill the rest with gray. Here, a file is completed if all of its pixels are there, and refused otherwise.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ocr_trainer_runtime.images.pillow import BROKEN, MissingPillow, opened

START, END = b"\xff\xd8", b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""A marker other than those that restart the decoder within a scan."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame, by the kind of coding."""
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_PARAMETERLESS = frozenset({0x01, 0xD8, 0xD9})
_FILLERS = (b"\x55", b"\xaa", b"\xfe")
"""Bytes that a decoder reads in place of data that is missing, each with other bits first."""
BLOCK = 8
"""Pixels of a side of a block."""
FILL = 128
"""The gray of a block without data."""
TRUNCATED = "it is truncated: the JPEG ends before its last pixel"
NOTE = "the JPEG lacks its end marker, but all of its pixels are there"


class _Segment(NamedTuple):
    """A marker, the place of its content, and its content."""

    marker: int
    start: int
    content: bytes


def complete(data: bytes) -> tuple[bytes, bool]:
    """Return a JPEG with its end marker, and whether it had to be added.

    Content of other formats, and files that have an end marker, are returned as they are. What follows the
    end marker is of no meaning to a decoder, and stays.

    Raises:
        ValueError: The file ends before its last pixel.
    """
    if not data.startswith(START) or data.endswith(END):
        return data, False
    segments = list(_segments(data))
    if any(segment.marker == 0xD9 for segment in segments):
        return data, False
    # An interrupted copy may be filled up with zeros.
    rest = _without_padding(data)
    if not _is_whole(segments, rest):
        raise ValueError(TRUNCATED)
    return rest + END, True


def check_end(data: bytes, pixels: np.ndarray) -> None:
    """Refuse a JPEG that was cut off and given an end marker, as some programs repair a file.

    Decoders fill what is missing with gray. Only an image that ends so is examined.

    Args:
        data: The file.
        pixels: The decoded image.

    Raises:
        ValueError: The file ends before its last pixel.
    """
    if not data.startswith(START) or (pixels[-1:, -BLOCK:] != FILL).any():
        return
    segments = list(_segments(data))
    end = next((segment.start - len(END) for segment in segments if segment.marker == 0xD9), None)
    if end is not None and not _is_whole(segments, data[:end]):
        raise ValueError(TRUNCATED)


def _without_padding(data: bytes) -> bytes:
    """Return the data without zeros at its end, which a decoder would take for data."""
    rest = data.rstrip(b"\0")
    if rest.endswith(b"\xff"):  # the byte 255 is stored with a zero behind it, and a marker begins with it
        rest = rest + b"\0" if len(rest) < len(data) else rest[:-1]
    return rest


def _is_whole(segments: list[_Segment], data: bytes) -> bool:
    """Return whether the data of a file, without its end marker, has all pixels."""
    return _all_scans(segments) and _all_restarts(segments, data) and _all_pixels(data)


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments of a file up to the end marker, or to where there are no more."""
    position = 0
    while found := _MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        if marker in _PARAMETERLESS:
            yield _Segment(marker, position, b"")
            if marker == 0xD9:
                return
            continue
        if position + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, position)
        yield _Segment(marker, position, data[position + 2 : position + length])
        position += max(length, 2)


def _all_scans(segments: list[_Segment]) -> bool:
    """Return whether the last scans have come: each coefficient of each component, to its last bit."""
    frame = next((one for one in segments if one.marker in FRAMES), None)
    scans = [one.content for one in segments if one.marker == 0xDA]
    if frame is None or not scans or len(frame.content) < 6:
        return False
    progressive = frame.marker in _PROGRESSIVE
    missing = {component: set(range(64)) for component in frame.content[6::3]}
    for scan in scans:
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            return False
        first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
        for component in scan[1 : 1 + 2 * count : 2]:
            if component in missing and not progressive:
                missing[component].clear()
            elif component in missing and bits & 15 == 0:  # the low bits: how far the scan is from the last
                missing[component] -= set(range(first, last + 1))
    return not any(missing.values())


def _all_restarts(segments: list[_Segment], data: bytes) -> bool:
    """Return whether the last scan has all the markers that restart the decoder; without them, trivially."""
    intervals = [struct.unpack(">H", one.content)[0] for one in segments if one.marker == 0xDD]
    if not intervals or not intervals[-1]:
        return True
    frame = next(one.content for one in segments if one.marker in FRAMES)
    scan = [one for one in segments if one.marker == 0xDA][-1]
    height, width = struct.unpack_from(">HH", frame, 1)
    sampling = {frame[at]: (frame[at + 1] >> 4, frame[at + 1] & 15) for at in range(6, len(frame) - 2, 3)}
    across, down = (max(side[axis] for side in sampling.values()) for axis in (0, 1))
    if scan.content[0] == 1:  # a component by itself is coded in its own blocks
        own = sampling.get(scan.content[1], (1, 1))
        columns = math.ceil(math.ceil(width * own[0] / across) / 8)
        rows = math.ceil(math.ceil(height * own[1] / down) / 8)
    else:
        columns, rows = math.ceil(width / (8 * across)), math.ceil(height / (8 * down))
    expected: int = math.ceil(columns * rows / intervals[-1]) - 1
    return len(_RESTART.findall(data, scan.start)) >= expected


def _all_pixels(data: bytes) -> bool:
    """Return whether the pixels stay the same whatever follows the data: then none of them is missing."""
    expected = _decoded(data + END)
    return all(np.array_equal(_decoded(data + filler * 512 + END), expected) for filler in _FILLERS)


def _decoded(data: bytes) -> np.ndarray:
    """Decode a JPEG with Pillow, which prints no warning of libjpeg, or without it, with OpenCV.

    Raises:
        ValueError: It cannot be decoded.
    """
    try:
        with opened(io.BytesIO(data), ("JPEG",)) as image:
            return np.asarray(image)
    except MissingPillow:
        return _decoded_by_opencv(data)
    except BROKEN as error:
        raise ValueError("it is truncated or damaged") from error


def _decoded_by_opencv(data: bytes) -> np.ndarray:
    from ocr_trainer_runtime.images.opencv import cv2

    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("it is truncated or damaged")
    return pixels

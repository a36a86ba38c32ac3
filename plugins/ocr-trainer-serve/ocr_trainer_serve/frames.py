"""Messages between the service and its workers: a JSON object and bytes, each after its length."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any, BinaryIO

Frame = tuple[dict[str, Any], bytes]

_LENGTHS = struct.Struct(">II")


def pack(head: dict[str, Any], body: bytes = b"") -> tuple[bytes, bytes]:
    """Return the parts of a message: lengths and JSON, then the bytes, which are not copied."""
    encoded = json.dumps(head).encode()
    return _LENGTHS.pack(len(encoded), len(body)) + encoded, body


def read(file: BinaryIO) -> Frame | None:
    """Read a message; None at the end of the file."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(lengths)
    return json.loads(file.read(head)), file.read(body)


def write(file: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    """Write a message."""
    file.writelines(pack(head, body))
    file.flush()


async def receive(stream: asyncio.StreamReader) -> Frame:
    """Read a message.

    Raises:
        asyncio.IncompleteReadError: The stream ends.
    """
    head, body = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
    return json.loads(await stream.readexactly(head)), await stream.readexactly(body)

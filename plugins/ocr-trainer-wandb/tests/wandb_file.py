"""Reads the file of an offline wandb run: wandb's protobuf records in LevelDB's log format.

https://github.com/google/leveldb/blob/main/doc/log_format.md, after a header of 7 bytes.
"""

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class Recorded:
    """What a run has kept."""

    rows: list[dict] = field(default_factory=list)
    config: dict = field(default_factory=dict)
    run: object = None
    exit_code: int | None = None

    def curve(self, key: str) -> dict[int, float]:
        return {row["trainer/global_step"]: row[key] for row in self.rows if key in row}


def records(data: bytes) -> Iterator[bytes]:
    assert data[:4] in (b":W&B", b"")
    position, record = 7, b""
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:  # too little for a header: padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += 7
        part = data[position : position + length]
        assert kind in (FULL, FIRST, MIDDLE, LAST)
        if len(part) < length:
            return  # still being written
        position += length
        record = part if kind in (FULL, FIRST) else record + part
        if kind in (FULL, LAST):
            yield record


def recorded(folder: Path) -> Recorded:
    """Read the one offline run in a run's folder: wandb writes on for a moment after `finish`."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 30
    while (found := read(file.read_bytes())).exit_code is None:
        assert time.monotonic() < deadline, "the run has no end"
        time.sleep(0.05)
    return found


def read(data: bytes) -> Recorded:
    found = Recorded()
    for record in map(Record.FromString, records(data)):
        if record.HasField("history"):
            found.rows.append(values(record.history.item))
        if record.HasField("run"):
            found.run = record.run
            found.config |= values(record.run.config.update)
        if record.HasField("config"):
            found.config |= values(record.config.update)
        if record.HasField("exit"):
            found.exit_code = record.exit.exit_code
    return found


def values(items: list) -> dict:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}

"""Checkpoint files that are never half written, and that tell whether they are still whole.

torch's format is a zip archive. Its comment, the last bytes of the file, holds the SHA-256 of all that
stands before it: so the seal is written last, goes along wherever the file is copied, and one rename
puts the file and its seal in place together.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import suppress
from io import BufferedRandom
from pathlib import Path
from typing import Any, BinaryIO

import torch

from ocr_trainer.errors import CheckpointError

MARK = b"ocr-trainer sha256 "
SEAL = re.compile(re.escape(MARK) + rb"([0-9a-f]{64})")
LENGTH = len(MARK) + 64
"""Of the seal, in bytes."""
COMMENT_LENGTH = LENGTH.to_bytes(2, "little")
"""The last field of a zip archive before its comment."""


def write(content: dict[str, Any], path: Path, keep: Path | None = None) -> None:
    """Put a sealed file in a file's place; whatever happens, a whole one stands there.

    Args:
        content: What `torch.load(weights_only=True)` reads: tensors and plain values.
        path: Where.
        keep: The name under which what stood there is kept.

    Raises:
        OSError: It cannot be written; what stood there still does.
    """
    beside = _beside(path)
    try:
        with beside.open("wb") as file:
            _save(content, file)
        with beside.open("r+b") as file:
            _seal(file)
            os.fsync(file.fileno())
        sync_folder(path.parent)
        if keep is not None and path.is_file():
            link_as(path, keep)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _save(content: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(content, file)
    except RuntimeError as error:
        # torch's writer hides what the system said behind its own complaint.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _seal(file: BufferedRandom) -> None:
    """Announce the comment, then write it: the SHA-256 of all before it."""
    file.seek(-2, os.SEEK_END)
    file.write(COMMENT_LENGTH)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0, os.SEEK_END)
    file.write(MARK + digest.encode())
    file.flush()


def is_sealed(path: Path) -> bool:
    """Tell whether a file has a seal, and is whole.

    Raises:
        CheckpointError: It has a seal, but what the seal stands for has changed.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END) - LENGTH
        if length < 0:
            return False
        file.seek(length)
        seal = SEAL.fullmatch(file.read())
        if seal is None:
            return False
        file.seek(0)
        digest = hashlib.sha256()
        while length > 0 and (part := file.read(min(length, 1 << 20))):
            digest.update(part)
            length -= len(part)
    if digest.hexdigest().encode() != seal[1]:
        raise CheckpointError(f"{path} is damaged: its contents do not match their SHA-256")
    return True


def link_as(path: Path, other: Path) -> None:
    """Give a file a second name, in place of what has that name; at no moment is the name without a file.

    Raises:
        OSError: It cannot be written; what had that name still has it.
    """
    beside = _beside(other)
    beside.unlink(missing_ok=True)
    try:
        try:
            beside.hardlink_to(path)
        except OSError:
            # Not every file system has hard links.
            shutil.copyfile(path, beside)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
        beside.replace(other)
    finally:
        # To rename does nothing where both are names of one file already.
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what a process that was killed left half written in a folder.

    Raises:
        OSError: It cannot be removed.
    """
    for path in folder.glob(_beside(Path("*")).name):
        path.unlink()


def _beside(path: Path) -> Path:
    """Return where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.new")


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

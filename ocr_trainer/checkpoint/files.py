"""Atomic checkpoint files: a kill or a full disk leaves the old file or the new one, never half of one.

`torch.save` writes a zip archive with the CRC-32 of each record, but `torch.load` does not compare it.
`verify` does.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch

OTHER = (
    "it is not a zip archive",
    "it holds more than tensors and plain values",
    "it is a zip archive of something else",
)
FOLDER = 0x10
"""The DOS attribute of a zip record that marks a folder."""


def write(content: dict[str, Any], path: Path, keep: Path | None = None) -> None:
    """Replace a checkpoint atomically.

    Args:
        content: Tensors and plain values, as `torch.load(weights_only=True)` reads them.
        path: The checkpoint to write.
        keep: Another name for the checkpoint that `path` replaces, if there is one.

    Raises:
        OSError: The file cannot be written. The old one is unchanged.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            _save(content, file)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        if keep is not None and path.is_file():
            link_as(path, keep)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _save(content: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(content, file)
    except RuntimeError as error:
        # torch's zip writer raises its own error on top of the system's, such as "No space left on device".
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def verify(path: Path) -> None:
    """Compare each record of a checkpoint with its CRC-32.

    `torch.save` compresses nothing, so a record that is compressed, or larger than the file, is refused
    before any is read: it could fill the memory.

    Raises:
        zipfile.BadZipFile: A record is damaged.
        Exception: The file is not a zip archive, or its structure is damaged; `zipfile` raises many types.
    """
    with zipfile.ZipFile(path) as archive:
        _check_sizes(archive, path.stat().st_size)
        damaged = archive.testzip()
        # One flipped bit makes a record a folder. torch.load then returns uninitialized memory for it,
        # and testzip finds nothing wrong.
        folders = (record.filename for record in archive.infolist() if record.external_attr & FOLDER)
        damaged = damaged or next(folders, None)
    if damaged is not None:
        raise zipfile.BadZipFile(f"the record {damaged!r} is damaged")


def reason(error: Exception) -> str:
    """Return why a file of torch cannot be read, in our words. torch's advise to run the code in it.

    It starts with one of `OTHER` if the file is probably none of torch's, or not of one that holds data only.
    """
    text = str(error)
    if isinstance(error, OSError):
        return error.strerror or text
    if isinstance(error, zipfile.BadZipFile) and text.startswith(("it", "the record")):
        return text
    if isinstance(error, zipfile.BadZipFile) and "not a zip file" in text:
        return f"{OTHER[0]}, or its end is missing"
    if isinstance(error, pickle.UnpicklingError):
        named = re.search(r"GLOBAL ([\w.]+)", text)
        return f"{OTHER[1]}{f' ({named[1]})' if named else ''}"
    return "its content is damaged"


def check_sizes(path: Path) -> None:
    """Refuse a zip archive of torch whose records are larger than the file, before any is read.

    Raises:
        zipfile.BadZipFile: They are, or a record is compressed, or two have one name.
    """
    with zipfile.ZipFile(path) as archive:
        _check_sizes(archive, path.stat().st_size)


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive whose directory promises more than the file holds."""
    records = archive.infolist()
    if not any(record.filename.endswith("data.pkl") for record in records):
        raise zipfile.BadZipFile(OTHER[2])
    if len({record.filename for record in records}) < len(records):
        raise zipfile.BadZipFile("it has two records of one name")
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
            raise zipfile.BadZipFile(f"the record {record.filename!r} is compressed, as none of ours is")
    if sum(record.file_size for record in records) > size:
        raise zipfile.BadZipFile("its records are larger than the file")


def link_as(path: Path, other: Path) -> None:
    """Give a file a second name atomically: `other` always names its old file or the new one.

    Raises:
        OSError: The name cannot be written. `other` is unchanged.
    """
    temporary = _temporary(other)
    temporary.unlink(missing_ok=True)
    try:
        try:
            temporary.hardlink_to(path)
        except OSError:
            # Not every file system has hard links.
            shutil.copyfile(path, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(other)
    finally:
        # A rename does nothing if both are already names of one file.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder.

    Raises:
        OSError: A file cannot be removed.
    """
    for path in folder.glob(_temporary(Path("*")).name):
        path.unlink()


def _temporary(path: Path) -> Path:
    """Return the name under which a file is written before it replaces `path`."""
    return path.with_name(f".{path.name}.new")


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""The folder of a run: its own, whatever else starts in the same instant, and locked while it goes on."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from ocr_trainer.config.validate import LONGEST_TMPDIR
from ocr_trainer.errors import ConfigError

CONFIG = "config.yaml"
LOCK = ".lock"
INHERITED = "OCR_TRAINER_RUN_FOLDER"
"""Where the first process of a run tells the folder to those that Lightning starts beside it."""

_held: int | None = None
"""The open lock of the run that this process is at."""


def claim(output_dir: Path, exp_name: str, config: str = "") -> Path:
    """Make, lock and return a new folder `<output_dir>/<exp_name>/<time>`, which no other run can have.

    Args:
        output_dir: Where run folders are made.
        exp_name: What the run is called.
        config: What its `config.yaml` says.

    Raises:
        ConfigError: It cannot be made or written.
    """
    if (taken := inherited()) is not None:
        return taken
    parent = output_dir / exp_name
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        older = runs(output_dir, exp_name)
        folder = _first_free(parent, stamp).resolve()
        _lock(folder)
        _write_config(folder, config, older)
    except (OSError, ValueError) as error:  # ValueError: no file can have that name
        raise ConfigError(
            f"no folder for this run can be made in {parent}: {_reason(error)}\n"
            "  choose another place with output_dir=…"
        ) from error
    _settle(folder)
    return folder


def hold(folder: Path) -> None:
    """Lock the folder of a run until this process dies, in whatever way, or holds another.

    Only the first process of a run locks; its loader workers do not inherit the lock. To hold the same folder
    again changes nothing. There is no lock where the system has none (Windows).

    Raises:
        ConfigError: The run is still going, or its folder cannot be written.
    """
    try:
        _lock(folder)
    except OSError as error:
        raise ConfigError(f"the run in {folder} cannot be gone on with: {_reason(error)}") from error
    _settle(folder.resolve())


def runs(output_dir: Path, exp_name: str) -> list[Path]:
    """Return the folders of the runs of that name, the one that began last first, whatever clocks said.

    There are none where no folder can be; `claim` says why.
    """
    try:
        configs = list((output_dir / exp_name).glob(f"*/{CONFIG}"))
    except (OSError, ValueError):
        return []
    return [config.parent.resolve() for config in sorted(configs, key=_written, reverse=True)]


def inherited() -> Path | None:
    """Return the folder of the first process, in one that Lightning started beside it; None in others."""
    # torchrun's processes do not inherit from the first: what they find there is of another run.
    if is_first() or INHERITED not in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    return Path(os.environ[INHERITED])


def is_first() -> bool:
    """Tell whether this is the first, or only, process of its run."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("LOCAL_RANK", "RANK"))


def _first_free(parent: Path, stamp: str) -> Path:
    for attempt in count(1):
        folder = parent / (stamp if attempt == 1 else f"{stamp}-{attempt}")
        try:
            # The file system lets just one process make a folder.
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count() does not end")


def _lock(folder: Path) -> None:
    """Lock a folder; let go of the one before, which is a finished run of a sweep."""
    global _held
    if not is_first():
        return
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    path = folder / LOCK
    # A process that closes a file loses all its locks on it, so the same one is not opened twice.
    if _held is not None and path.exists() and os.path.samestat(os.fstat(_held), path.stat()):
        return
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            holder = os.read(lock, 200).decode().strip() or "another process"
            os.close(lock)
            raise ConfigError(f"the run in {folder} is still going ({holder})") from None
        # Some network file systems have no locks; that is no reason not to train.
        print(f"ocr-train: {folder} cannot be locked: {_reason(error)}", file=sys.stderr)
    os.truncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
    if _held is not None:
        os.close(_held)
    _held = lock


def _settle(folder: Path) -> None:
    """Tell the folder to further processes; let it serve temporary files, too, where no other can."""
    if is_first():
        os.environ[INHERITED] = str(folder)
    import tempfile

    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:  # lightning could not even be imported
        if len(os.fsencode(folder)) > LONGEST_TMPDIR:
            raise ConfigError("there is no folder for temporary files: set TMPDIR to a short one") from error
        os.environ["TMPDIR"] = str(folder)


def _write_config(folder: Path, config: str, older: list[Path]) -> None:
    """Write the configuration; it appears whole or not at all, and dated after those of older runs."""
    hidden = folder / f".{CONFIG}"
    hidden.write_text(config, encoding="utf-8")
    last = _written(older[0] / CONFIG) if older else 0
    if _written(hidden) <= last:  # the clock was put back
        os.utime(hidden, ns=(last + 1, last + 1))
    hidden.rename(folder / CONFIG)


def _written(file: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 if it has just been removed."""
    with suppress(OSError):
        return file.stat().st_mtime_ns
    return 0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

"""Run directories: unique even if runs start at the same instant, and locked while a run is active."""

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
from ocr_trainer_runtime.text.visible import echo

CONFIG = "config.yaml"
LOCK = ".lock"
INHERITED = "OCR_TRAINER_RUN_FOLDER"
"""Environment variable that passes rank zero's run directory to processes that Lightning starts."""

VIRTUAL = frozenset(
    ("proc", "sysfs", "cgroup", "cgroup2", "devpts", "securityfs", "debugfs", "tracefs", "pstore", "bpf")
)
"""File systems of Linux that hold no files of users."""

_held: dict[Path, int] = {}
"""File descriptors of the locks that this process holds, by run directory."""


def claim(output_dir: Path, exp_name: str, config: str = "") -> Path:
    """Create, lock and return a new, unique run directory `<output_dir>/<exp_name>/<time>`.

    Args:
        output_dir: Parent of run directories.
        exp_name: Name of the run.
        config: Content of its `config.yaml`.

    Raises:
        ConfigError: The directory cannot be created or written.
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
            f"cannot create a run directory in {parent}: {_reason(error)}\n"
            "  choose another folder with output_dir=…"
        ) from error
    _settle(folder)
    return folder


def why_no_folder(place: Path) -> str | None:
    """Return why no folder can be made in a place, or None if nothing says so. This writes nothing."""
    try:
        places = (place, *place.absolute().parents)
        there = next(folder for folder in places if folder.exists() or folder.is_symlink())
        if not there.exists():
            return f"'{there}' is a link that leads nowhere"
        if not there.is_dir():
            return f"'{there}' is not a folder"
        if _file_system(there.resolve()) in VIRTUAL:
            return f"'{there}' belongs to the system, which has no room for files there"
        if not os.access(there, os.W_OK | os.X_OK):
            return f"'{there}' cannot be written"
    except (OSError, ValueError) as error:
        return _reason(error)
    return None


def _file_system(folder: Path) -> str:
    """Return the type of the file system of a folder; "" where the system does not list them."""
    mounts = Path("/proc/self/mounts")
    found = ("", "")
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines() if mounts.exists() else ():
        _, point, kind, *_ = line.split(" ")
        if folder.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def hold(folder: Path) -> None:
    """Lock a run directory until this process ends in any way or releases it.

    Only rank zero locks; its data workers do not inherit the lock. Locking the same directory again has no
    effect. On systems without file locks (Windows), this does nothing.

    Raises:
        ConfigError: The run is still active, or its directory cannot be written.
    """
    try:
        _lock(folder)
    except OSError as error:
        raise ConfigError(f"the run in {folder} cannot be resumed: {_reason(error)}") from error
    _settle(folder.resolve())


def release(folder: Path) -> None:
    """Release the lock of a run directory, if this process holds it."""
    if (lock := _held.pop(folder.resolve(), None)) is not None:
        os.close(lock)


def runs(output_dir: Path, exp_name: str) -> list[Path]:
    """Return the run directories of that name, newest first, independent of clock changes.

    Return an empty list if the folder cannot be read; `claim` reports the reason.
    """
    try:
        configs = list((output_dir / exp_name).glob(f"*/{CONFIG}"))
    except (OSError, ValueError):
        return []
    return [config.parent.resolve() for config in sorted(configs, key=_written, reverse=True)]


def inherited() -> Path | None:
    """Return the run directory of rank zero in a process that Lightning started, `None` in others."""
    # Processes of torchrun do not inherit from rank zero, so the variable belongs to another run.
    if is_rank_zero() or INHERITED not in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    return Path(os.environ[INHERITED])


def is_rank_zero() -> bool:
    """Return whether this is rank zero, or the only process of its run."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("LOCAL_RANK", "RANK"))


def _first_free(parent: Path, stamp: str) -> Path:
    for attempt in count(1):
        folder = parent / (stamp if attempt == 1 else f"{stamp}-{attempt}")
        try:
            # mkdir is atomic: only one process can create the folder.
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count() does not end")


def _lock(folder: Path) -> None:
    """Lock a folder."""
    # A process that closes a file loses all its locks on it, so the same one is not opened twice.
    if not is_rank_zero() or folder.resolve() in _held:
        return
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            holder = os.read(lock, 200).decode().strip() or "another process"
            os.close(lock)
            raise ConfigError(f"the run in {folder} is still running ({holder})") from None
        # Some network file systems have no locks, which must not prevent training.
        echo(f"ocr-train: {folder} cannot be locked: {_reason(error)}", file=sys.stderr)
    os.truncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
    _held[folder.resolve()] = lock


def _settle(folder: Path) -> None:
    """Export the folder to further processes; also use it for temporary files if there is no other place."""
    if is_rank_zero():
        os.environ[INHERITED] = str(folder)
    import tempfile

    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:  # without one, importing lightning fails
        if len(os.fsencode(folder)) > LONGEST_TMPDIR:
            raise ConfigError(
                "there is no folder for temporary files: set TMPDIR to one with a short path"
            ) from error
        os.environ["TMPDIR"] = str(folder)


def _write_config(folder: Path, config: str, older: list[Path]) -> None:
    """Write the configuration; atomically, and with a newer timestamp than all older runs."""
    hidden = folder / f".{CONFIG}"
    hidden.write_text(config, encoding="utf-8")
    last = _written(older[0] / CONFIG) if older else 0
    if _written(hidden) <= last:  # the clock was set back
        os.utime(hidden, ns=(last + 1, last + 1))
    hidden.rename(folder / CONFIG)


def _written(file: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 if it has just been removed."""
    with suppress(OSError):
        return file.stat().st_mtime_ns
    return 0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

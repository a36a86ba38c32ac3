"""The folder of an export: it appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocr_trainer.errors import DataError


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `out`, and rename it to `out` at the end; remove it after an error.

    Raises:
        DataError: The files cannot be written, as on a full disk.
    """
    folder = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        yield folder
        for path in folder.rglob("*"):
            if path.is_file():
                _sync(path)
        folder.chmod(0o755)  # mkdtemp makes it private
        folder.rename(out)  # replaces an empty folder, but nothing else
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"the export cannot be written to {out}: {reason}") from error
    finally:
        if folder is not None and folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    """Flush a file to disk: some file systems report a full disk only now."""
    with path.open("rb") as file:
        os.fsync(file.fileno())

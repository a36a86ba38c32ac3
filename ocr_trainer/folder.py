"""The folder of a run: its own, whatever else starts in the same instant."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

from ocr_trainer.errors import ConfigError

INHERITED = "OCR_TRAINER_RUN_FOLDER"
"""Where the first process of a run tells the folder to those that Lightning starts beside it."""


def claim(output_dir: Path, exp_name: str) -> Path:
    """Make and return a new folder `<output_dir>/<exp_name>/<time>`, which no other run can have.

    Raises:
        ConfigError: It cannot be made.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0" and INHERITED in os.environ:
        return Path(os.environ[INHERITED])
    parent = output_dir / exp_name
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = _first_free(parent, stamp).resolve()
    except OSError as error:
        raise ConfigError(
            f"no folder for this run can be made in {parent}: {error.strerror}\n"
            "  choose another place with output_dir=…"
        ) from error
    os.environ[INHERITED] = str(folder)
    return folder


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

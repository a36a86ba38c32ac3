"""The identity of a run: what its weights follow from. Its checkpoints have it, too.

It is made when the run begins and stays, wherever the folder or the data move.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

FILE = "run_id"
"""The file in a run directory that holds the identity of the run."""
PLACES = ("exp_name", "output_dir")
"""Options that say where a run is, not what it learns."""


def make_identity(run: RunConfig) -> str:
    """Return the identity of a new run: a hash of the options that a resumed run cannot change.

    Equal runs have equal identities: their checkpoints are the same, too.
    """
    from ocr_trainer.config.schema import plain

    options = {key: _option(plain(run), key) for key in run.IDENTITY if key not in PLACES}
    text = json.dumps([_absolute(options), str(run.init_from.path)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def read_identity(folder: Path) -> str | None:
    """Return the identity of the run in a folder; None for runs of earlier versions, which have none."""
    with suppress(OSError, ValueError):
        return (folder / FILE).read_text(encoding="utf-8").strip() or None
    return None


def write_identity(folder: Path, identity: str) -> None:
    """Give the run in a folder an identity, unless it has one or the folder cannot be written."""
    if read_identity(folder) is None:
        with suppress(OSError):
            (folder / FILE).write_text(f"{identity}\n", encoding="utf-8")


def _option(config: Mapping[str, Any], key: str) -> Any:
    section: Any = config
    for name in key.split("."):
        section = section.get(name) if isinstance(section, Mapping) else None
    return section


def _absolute(value: Any, key: str = "") -> Any:
    """Return options with absolute roots of data: in another working directory, `data` is other data."""
    if isinstance(value, Mapping):
        return {name: _absolute(item, str(name)) for name, item in value.items()}
    if key == "root" and isinstance(value, str):
        return str(Path(value).expanduser().absolute())
    return value

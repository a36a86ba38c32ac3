"""Looking at the processes of a run that leads a session of its own, and waiting for what they come to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from helpers.fakes import install, python_path

STRANGERS = Path(__file__).parents[1] / "strangers"
SMALL = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=64",
        "augment.crop=64",
        "data.batch_size=2",
    ),
    *("logger=[csv]", "data.log_images=0", "trainer.max_epochs=2", "trainer.accelerator=cpu"),
    *("trainer.enable_progress_bar=false", "trainer.log_every_n_steps=1", "trainer.num_sanity_val_steps=2"),
]
"""A detector's run, but for its dataset."""
PAGES = [
    *("dataset=synthetic", "dataset.train_pages=8", "dataset.val_pages=4", "dataset.test_pages=2"),
    *("dataset.height=64", "dataset.width=64", "dataset.max_words=5"),
]
"""4 steps per epoch."""
FIT_ALONE = ["calibrate.enabled=false", "trainer.limit_test_batches=0"]


def unruly(folder: Path) -> dict[str, str]:
    """Make a stranger's dataset known whose pages do harm; return the environment that shows it."""
    description, code = (STRANGERS / name for name in ("unruly_plugin.py", "unruly.py"))
    install(folder, "unruly-plugin", "[ocr_trainer.datasets]\nunruly = {}:dataset\n", description.read_text())
    (folder / code.name).write_text(code.read_text())
    return python_path(folder)


def members(session: int) -> list[int]:
    """Return the processes of a session that are alive."""
    return [process for process, fields in _processes() if int(fields[3]) == session and fields[0] != "Z"]


def children(parent: int) -> list[int]:
    """Return the workers of a process that are alive, oldest first; not what keeps account of its semaphores."""
    forked = sorted(p for p, fields in _processes() if int(fields[1]) == parent and fields[0] != "Z")
    return [process for process in forked if _command(process) == _command(parent)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _processes() -> list[tuple[int, list[str]]]:
    """Return all processes and, of each, what follows its name: state, parent, group, session, …"""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((int(entry.name), (entry / "stat").read_text().rpartition(")")[2].split()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It did not in time.
    """
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.02)


def said(folder: Path) -> str:
    """Return what a run has said so far."""
    output = folder / "output.txt"
    return output.read_text(encoding="utf-8") if output.is_file() else ""


def logged(folder: Path) -> int:
    """Return the last step that a run has told of so far, counted from 0; -1 before the first."""
    rows = [
        line for file in folder.glob("runs/*/*/**/metrics.csv") for line in file.read_text().splitlines()[1:]
    ]
    steps = [row.split(",")[0] for row in rows]
    return max((int(step) for step in steps if step.isdigit()), default=-1)


def shared_memory() -> set[str]:
    """Return the names of what lies in shared memory."""
    return {path.name for path in Path("/dev/shm").iterdir()}

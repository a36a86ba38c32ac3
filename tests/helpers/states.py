"""Stand-ins for a run's checkpoints where only their files matter, and ways to kill the process that writes them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.read import FORMAT, LAST, PREVIOUS, read

PLACE = {"epoch": 0, "batches": 0, "whole_step": True}
COUNTS = {"ready": 0, "completed": 0}


def loops(step: int) -> dict[str, Any]:
    """Return the position of Lightning's loops before the first batch, but after so many optimizer steps."""
    nothing = {"total": COUNTS, "current": COUNTS}
    steps = {"total": {"ready": step, "completed": step}, "current": COUNTS}
    optimizer = {"step": steps, "zero_grad": nothing}
    names = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.scheduler_progress")
    fit = dict.fromkeys(names, nothing) | {"epoch_loop.state_dict": {"_batches_that_stepped": step}}
    progress = {"epoch_loop.automatic_optimization.optim_progress": {"optimizer": optimizer}}
    return {"fit_loop": fit | progress}


def state(step: int, size: int = 300) -> dict[str, Any]:
    """Return the least that a checkpoint must hold."""
    weights = torch.randn(size, generator=torch.Generator().manual_seed(step))
    ours = {"format": FORMAT, "place": PLACE, "config": {"model": {"name": "dbnet"}, "distributed": {}}}
    training = {
        "loops": loops(step),
        "callbacks": {},
        "optimizer_states": [{"state": {}, "param_groups": [{"params": [0], "lr": 0.1}]}],
        "lr_schedulers": [{"last_epoch": 0, "_step_count": 0, "base_lrs": [], "_last_lr": []}],
    }
    return {"state_dict": {"model.w": weights}, "global_step": step, "ocr_trainer": ours, **training}


def save(folder: Path, step: int, size: int = 300) -> None:
    files.write(state(step, size), folder / LAST, keep=folder / PREVIOUS)


def steps(folder: Path) -> dict[str, int]:
    """Return the step of each checkpoint; each must be whole."""
    return {path.name: read(path)["global_step"] for path in folder.glob("*.ckpt")}


def strays(folder: Path) -> int:
    """Count the files that have only a hidden name."""
    named = {path.stat().st_ino for path in folder.glob("*.ckpt")}
    return len({path.stat().st_ino for path in folder.glob(".*")} - named)


def killed_by(action: Callable[[], object]) -> int:
    """Run an action in a child process; return the signal that ends it, or 0."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1


def killing_at(line: int, action: Callable[[], object]) -> Callable[[], object]:
    """Do something, but die before this many lines of `checkpoint.files` have run."""
    left = line

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != files.__file__:
            return None
        left -= event == "line"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def act() -> None:
        sys.settrace(trace)
        action()

    return act


def copied(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name)))

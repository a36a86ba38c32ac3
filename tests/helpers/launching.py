"""Running `ocr-train` in processes of their own, forked from one that has imported torch and lightning already."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

PRELOADED = [
    "ocr_trainer.config.compose",
    "ocr_trainer.engine.train",
    "ocr_trainer_dbnet.model",
    "helpers.launching",
]
TINY = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "dataset=synthetic",
        "dataset.height=128",
        "dataset.width=128",
    ),
    *("dataset.train_pages=12", "dataset.val_pages=4", "dataset.test_pages=2", "model.size=128"),
    *("augment.crop=64", "data.batch_size=2", "data.num_workers=0", "logger=[csv]", "trainer.max_epochs=3"),
]
"""A detector's run of 18 steps: 3 epochs of 6, each with a validation; about 10 s on one processor."""


@cache
def _server() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _run(words: Sequence[str], folder: str, environment: dict[str, str], group: bool) -> None:
    if group:
        os.setsid()
    os.chdir(folder)
    os.environ.update({"OMP_NUM_THREADS": "1", **environment})
    # The server has settled on one already.
    tempfile.tempdir = None
    # As an interpreter does at its start.
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    torch.set_num_threads(1)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = ["ocr-train", *words]
    from ocr_trainer.cli.main import main

    sys.exit(main())


def start(words: Sequence[str], folder: Path, group: bool = False, **environment: str) -> BaseProcess:
    """Start `ocr-train` in a folder; what it says is in `output.txt` there.

    Args:
        words: Its arguments.
        folder: Where; it is made.
        group: Whether it leads a process group of its own, so that `os.killpg` reaches it and its workers.
        environment: What differs there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    process: ForkServerProcess = _server().Process(
        target=_run, args=(list(words), str(folder), environment, group)
    )
    process.start()
    return process


def status(process: BaseProcess, seconds: float = 240) -> int:
    """Wait for a process and return its exit status, negative for a signal; kill it if it takes too long."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"the process did not end within {seconds:g} s")
    return process.exitcode


def run_folder(folder: Path) -> Path:
    """Return the folder of the one run below a folder."""
    (found,) = folder.glob("runs/*/*/config.yaml")
    return found.parent


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """Return where two checkpoints differ, in any bit."""
    if type(first) is not type(second):
        return [f"{path}: {type(first).__name__} and {type(second).__name__}"]
    if isinstance(first, dict):
        names = {f"{path}/{key}" for key in first.keys() ^ second.keys()}
        for key in first.keys() & second.keys():
            names.update(differences(first[key], second[key], f"{path}/{key}"))
        return sorted(names)
    if isinstance(first, list | tuple):
        if len(first) != len(second):
            return [f"{path}: {len(first)} and {len(second)} long"]
        return [
            n
            for i, pair in enumerate(zip(first, second, strict=True))
            for n in differences(*pair, f"{path}/{i}")
        ]
    if isinstance(first, torch.Tensor):
        same = first.dtype == second.dtype and first.shape == second.shape
        # Bits, so that NaN equals NaN and 0.0 is not -0.0.
        same = same and first.numpy().tobytes() == second.numpy().tobytes()
    else:
        same = first == second or (first != first and second != second)
    return [] if same else [path]

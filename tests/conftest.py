"""What the tests share."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.calling import Call

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each take all cores for torch slow each other down. It reads this when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Undo what a command does to its process: environment, signals, hook of exceptions, garbage collector."""
    environment = dict(os.environ)
    hook = sys.excepthook
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.excepthook = hook
    gc.unfreeze()
    gc.enable()


LIGHT = ("check", "describe", "list-plugins", "score")
"""Commands that run without torch: a Python of their own starts as fast as they are."""


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `ocr-train` as a user does, in an empty folder and a process of its own.

    Commands that need torch are forked from a process that has imported it, unless the environment says
    where to import from.
    """

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        whole = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        if not environment and words[0] not in LIGHT:
            from helpers.forked import ocr_train

            return ocr_train(words, tmp_path, whole)
        return subprocess.run(
            [sys.executable, "-m", "ocr_trainer", *words],
            cwd=tmp_path,
            env=whole,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in this process and an empty folder; none ends in a traceback."""
    from ocr_trainer.cli.main import main

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ocr-train", *words])
        status = main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return status, said.out, said.err

    return run

"""A service in a process of its own, on a free port, with models that need no training."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from helpers.ink_models import write_models

START = 60
"""Seconds that a start may take on a busy machine."""
COMMAND = ("-c", "import sys; from ocr_trainer_serve.command import main; sys.exit(main())")


class Service:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        """What it has printed so far, line by line."""
        self.url = self._address()
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()

    def _address(self) -> str:
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.match(r"serving on (http://\S+)", line):
                return found[1]
        raise AssertionError(f"it ended with {self.process.wait()}: {''.join(self.said)}")

    def _listen(self) -> None:
        for line in self.process.stderr:
            self.said.append(line)

    def read(self, content: bytes, **query: object) -> httpx.Response:
        return self.client.post("/v1/read", content=content, params=query)

    def metric(self, name: str) -> float:
        text = self.client.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def wait_until_ready(self) -> None:
        """Wait for the worker that replaces another."""
        for _ in range(200):
            if self.client.get("/readyz").status_code == 200:
                return
            time.sleep(0.05)
        raise AssertionError("no worker has started")

    def wait_until_busy(self, requests: int = 1) -> None:
        while self.metric("ocr_serve_requests_under_way") < requests:
            time.sleep(0.02)

    @property
    def worker_pids(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return set(map(int, children.split()))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def started(
    *words: object, cwd: Path, command: Sequence[str] = COMMAND, **environment: str
) -> Iterator[Service]:
    process = subprocess.Popen(
        [sys.executable, *command, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(START, process.kill)
    timer.start()
    try:
        service = Service(process)
        timer.cancel()
        yield service
        service.client.close()
        process.kill()
        service.listener.join()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of a detector and of a recognizer."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def serve(
    models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Service]]:
    """Start services that end with the tests."""
    folder = tmp_path_factory.mktemp("service")
    with ExitStack() as stack:
        yield lambda *words, **options: stack.enter_context(
            started(*models, "--port", 0, "--threads", 1, *words, cwd=folder, **options)
        )


@pytest.fixture(scope="session")
def service(serve: Callable[..., Service]) -> Service:
    """A service with small limits."""
    return serve("--max-bytes", 300_000, "--max-pixels", 1_000_000, "--max-pages", 3, "--timeout", 20)

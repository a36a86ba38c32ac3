"""The processes that read files. A process that takes too long or crashes is killed and replaced.

They are processes, not threads: a thread inside PDFium or onnxruntime cannot be stopped, and a crash there
would end the service.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from ocr_trainer_runtime import OcrTrainerError
from ocr_trainer_serve import frames
from ocr_trainer_serve.settings import Settings

log = logging.getLogger("ocr_trainer_serve")

COMMAND = (sys.executable, "-P", "-m", "ocr_trainer_serve.worker")
"""`-P`: import nothing from the current folder."""
RESTART_PAUSE = 5.0
"""Seconds before the next attempt to start a worker."""


class Busy(Exception):
    """The allowed number of requests is in progress."""


class Crashed(Exception):
    """The worker ended while reading a file."""


class Worker:
    """A process that reads one file at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Start a process, and return after it has loaded the models.

        Raises:
            OcrTrainerError: It cannot load them.
        """
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
            start_new_session=True,  # Ctrl-C must reach only the service, which lets requests finish
        )
        worker = cls(process)
        try:
            answer, _ = await worker.call(asdict(settings) | {"threads": settings.worker_threads}, b"")
        except (asyncio.IncompleteReadError, OSError) as error:
            worker.kill()
            raise OcrTrainerError("a worker ended while it loaded the models") from error
        except BaseException:
            worker.kill()
            raise
        if "error" in answer:
            raise OcrTrainerError(answer["error"])
        return worker

    async def call(self, head: dict[str, Any], body: bytes) -> frames.Frame:
        """Send a message and return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.writelines(frames.pack(head, body))
        await self.process.stdin.drain()
        return await frames.receive(self.process.stdout)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.returncode is None

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process; 0 if the system does not report it."""
        with suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii", errors="replace")
            return 1024 * int(status.partition("VmRSS:")[2].split()[0])
        return 0

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self.process.kill()


class Pool:
    """The workers of a service, and the number of requests in progress.

    Args:
        settings: The settings of the service.
        on_restart: Called with `timeout` or `crash` for each worker that is replaced.
    """

    def __init__(self, settings: Settings, on_restart: Callable[[str], object] = lambda reason: None) -> None:
        self.settings, self.on_restart = settings, on_restart
        self.workers = set[Worker]()
        self.under_way = 0
        self._idle = asyncio.LifoQueue[Worker]()
        self._starts = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(self.settings.workers):
                await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for start in self._starts:
            start.cancel()
        for worker in self.workers:
            worker.kill()
        await asyncio.gather(*self._starts, *(w.process.wait() for w in self.workers), return_exceptions=True)
        self.workers.clear()

    @property
    def ready(self) -> bool:
        """Whether a worker has loaded its models."""
        return any(worker.alive for worker in self.workers)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a place among the requests in progress.

        Raises:
            Busy: There is no free place.
        """
        if self.under_way >= self.settings.slots:
            raise Busy
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def read(self, job: dict[str, Any], body: bytes) -> frames.Frame:
        """Have the next idle worker read a file. If the caller is canceled meanwhile, the worker is killed.

        Raises:
            Crashed: The worker ended.
        """
        while not (worker := await self._idle.get()).alive:
            self._replace(worker, "crash")
        try:
            answer = await worker.call(job, body)
        except (asyncio.IncompleteReadError, OSError) as error:
            self._replace(worker, "crash")
            raise Crashed from error
        except BaseException:
            self._replace(worker, "timeout")
            raise
        self._idle.put_nowait(worker)
        return answer

    async def _start(self) -> None:
        worker = await Worker.start(self.settings)
        self.workers.add(worker)
        self._idle.put_nowait(worker)

    def _replace(self, worker: Worker, reason: str) -> None:
        """Kill a worker and start another in the background."""
        worker.kill()
        self.workers.discard(worker)
        self.on_restart(reason)
        start = asyncio.get_running_loop().create_task(self._restart())
        self._starts.add(start)
        start.add_done_callback(self._starts.discard)

    async def _restart(self) -> None:
        while True:
            try:
                return await self._start()
            except (OcrTrainerError, OSError) as error:
                log.error("a worker cannot be started: %s", error)
                await asyncio.sleep(RESTART_PAUSE)

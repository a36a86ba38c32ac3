"""Worker processes: start, shutdown, and which sample each was reading when it failed."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from types import FrameType
from typing import Any, Protocol, TypeVar

import torch
from torch.utils.data import Dataset, get_worker_info

from ocr_trainer.errors import DataError
from ocr_trainer.internals.torch import is_worker_handler
from ocr_trainer.runs.signals import in_main_thread

T = TypeVar("T", covariant=True)

PR_SET_PDEATHSIG = 1
"""Operation number from prctl(2)."""

WORKER_FAILURE = re.compile(r"DataLoader worker \(pid|DataLoader timed out|Pin memory thread")
"""Messages of torch for failed workers. Exceptions raised inside a worker have other messages."""
WORKER_PIDS = re.compile(r"\(pid(?:\(s\))? ([\d, ]+)\)")
"""Process ids within such a message."""


class TracksCurrentSample(Dataset[T]):
    """A dataset whose workers record the sample they are reading in memory shared with the main process."""

    split: Any
    current_samples: torch.Tensor | None = None
    """int64 of shape (workers, 2): process id and sample index; -1 before the first sample."""

    def allocate(self, num_workers: int) -> None:
        """Allocate the shared records, one per worker; none without workers."""
        records = torch.full((num_workers, 2), -1, dtype=torch.int64)
        self.current_samples = records.share_memory_() if num_workers else None  # type: ignore[no-untyped-call]

    def track(self, index: int) -> None:
        """Record that this worker is about to read a sample. Does nothing in the main process."""
        worker = get_worker_info()
        if worker is not None and self.current_samples is not None:
            # Index first: a process id always belongs to an index that was written.
            self.current_samples[worker.id, 1] = index
            self.current_samples[worker.id, 0] = os.getpid()

    def clear(self) -> None:
        """Clear the records after all samples were read."""
        if self.current_samples is not None:
            self.current_samples.fill_(-1)


class WorkerMonitor:
    """Raises the death of a worker while a batch is awaited, and nowhere else.

    torch's SIGCHLD handler raises wherever the main process happens to be: while it writes a checkpoint, or
    inside a logger whose errors are caught.
    """

    def __init__(self) -> None:
        """Start without a pending error."""
        self.pending_error: RuntimeError | None = None
        self._torch_handler: Callable[[int, FrameType | None], Any] | None = None
        self._waiting = False

    def register(self) -> None:
        """Replace torch's SIGCHLD handler, which torch installs with its first workers. Main thread only."""
        handler = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
        if is_worker_handler(handler) and in_main_thread():
            self._torch_handler = handler
            signal.signal(signal.SIGCHLD, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGCHLD: keep torch's error until a batch is awaited.

        Raises:
            RuntimeError: If a worker died while a batch is awaited.
        """
        assert self._torch_handler is not None
        try:
            self._torch_handler(number, frame)
        except RuntimeError as error:
            if self._waiting:
                raise
            self.pending_error = error

    def iterate(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield batches.

        Raises:
            RuntimeError: If a worker died, now or since the last batch.
        """
        while True:
            self._waiting = True
            try:
                if self.pending_error is not None:
                    raise self.pending_error
                batch = next(batches)
            except StopIteration:
                return
            finally:
                self._waiting = False
            yield batch


WORKER_MONITOR = WorkerMonitor()
"""The monitor of this process; there is one SIGCHLD handler per process."""
GROUP_SIGNALS = {
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
}
"""Signals sent to the whole process group. Only the main process handles them; it still needs its workers."""


@contextmanager
def block_signals() -> Iterator[None]:
    """Block these signals while workers start, until `init_worker` ignores them."""
    # Create the temporary folder now. Otherwise each worker makes its own and leaves it behind when killed.
    get_temp_dir()
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def set_parent_death_signal() -> None:
    """Make the kernel kill this process when its parent ends. Linux only; does nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def init_worker(_worker: int) -> None:
    """Initialize a worker process: one thread, no group signals, and exit with the main process."""
    for number in GROUP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)
    set_parent_death_signal()
    main = multiprocessing.parent_process()
    if main is not None and main.pid != os.getppid():
        os._exit(1)  # the main process ended before the death signal was set
    import cv2

    # Threads within workers would compete with the other workers for the same cores.
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def kill_remaining_workers(others: Collection[BaseProcess]) -> None:
    """Kill the workers that are still alive, but no others: at exit, Python would wait for them forever."""
    for child in multiprocessing.active_children():
        if child.daemon and child not in others:
            child.kill()
            child.join(5)


class HasWorkers(Protocol):
    """A loader whose workers can be ended."""

    dataset: Any
    timeout: float

    def close(self) -> None:
        """End its workers."""

    def kill(self) -> None:
        """Kill its workers immediately."""


@contextmanager
def report_worker_errors(loaders: Sequence[HasWorkers]) -> Iterator[None]:
    """Turn the failure of a worker into a `DataError` that names the samples being read; end all workers.

    Raises:
        DataError: If a worker died or timed out.
    """
    others = multiprocessing.active_children()
    try:
        yield
        for loader in loaders:
            loader.close()
    except BaseException as error:
        for loader in loaders:
            loader.kill()
        if isinstance(error, RuntimeError) and WORKER_FAILURE.search(str(error)):
            # torch names the process in one error and the signal in its cause.
            message = f"{error} {error.__cause__ or ''}"
            raise DataError(
                f"{_reason(message, loaders)}{_current_samples(message, loaders)}\n{TROUBLESHOOTING}"
            ) from error
        raise
    finally:
        kill_remaining_workers(others)
        WORKER_MONITOR.pending_error = None


TROUBLESHOOTING = (
    "  to see the error, read the samples in the main process: data.num_workers=0\n"
    "  if a worker was killed, memory may have run out: use fewer with data.num_workers=…\n"
    "  if storage is slow, allow more time: data.timeout=…"
)


def _reason(message: str, loaders: Sequence[HasWorkers]) -> str:
    if "timed out" in message:
        seconds = max((loader.timeout for loader in loaders), default=0)
        return f"no batch came from the data workers for {seconds:g} s (data.timeout)"
    cause = re.search(r"killed by signal: ([^.]+)", message)
    how = f"was killed by signal: {cause[1]}" if cause else "ended unexpectedly"
    return f"a data worker {how}"


def _current_samples(message: str, loaders: Sequence[HasWorkers]) -> str:
    """List the samples that the failed workers were reading; all workers if torch names none."""
    from ocr_trainer.data.split import name_of

    dead = {int(number) for number in re.findall(r"\d+", " ".join(WORKER_PIDS.findall(message)))}
    lines = []
    for loader in loaders:
        dataset = loader.dataset
        if isinstance(dataset, TracksCurrentSample) and dataset.current_samples is not None:
            for worker, (process, index) in enumerate(dataset.current_samples.tolist()):
                if index >= 0 and (not dead or process in dead):
                    lines.append(f"\n  worker {worker}: sample {index}, {name_of(dataset.split, index)}")
    owner = "it" if dead else "the workers"
    return f":\n  {owner} last read:" * bool(lines) + "".join(lines)

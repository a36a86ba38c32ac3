"""The processes that prepare samples: how they begin and end, and what they had in hand when one failed."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.util import get_temp_dir
from types import FrameType
from typing import Any, Protocol, TypeVar

import torch
from torch.utils.data import Dataset, get_worker_info

from ocr_trainer.errors import DataError
from ocr_trainer.internals.torch import is_worker_handler
from ocr_trainer.runs.signals import in_main_thread

T = TypeVar("T", covariant=True)

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

FAILED = re.compile(r"DataLoader worker \(pid|DataLoader timed out|Pin memory thread")
"""How torch words that its workers failed; what is raised within one has other words."""
PROCESSES = re.compile(r"\(pid(?:\(s\))? ([\d, ]+)\)")
"""How it names them."""


class TracksCurrentSample(Dataset[T]):
    """A dataset whose workers note which sample they have in hand, where the main process can see it."""

    split: Any
    current_samples: torch.Tensor | None = None
    """int64, (workers, 2): which process, and which sample; -1 before the first."""

    def watch(self, workers: int) -> None:
        """Make room for the notes of so many workers."""
        self.current_samples = (
            torch.full((workers, 2), -1, dtype=torch.int64).share_memory_() if workers else None
        )

    def note(self, index: int) -> None:
        """Note that this process is about to read a sample."""
        worker = get_worker_info()
        if worker is not None and self.current_samples is not None:
            self.current_samples[worker.id, 1] = index
            self.current_samples[worker.id, 0] = os.getpid()

    def forget(self) -> None:
        """Forget the notes: all was read."""
        if self.current_samples is not None:
            self.current_samples.fill_(-1)


class WorkerMonitor:
    """Has the death of a worker told where a batch is waited for, and nowhere else.

    torch raises wherever the main process is when the system tells it: in the middle of writing a
    checkpoint, in a logger whose errors are contained.
    """

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self.told: RuntimeError | None = None
        self._tell: Callable[[int, FrameType | None], Any] | None = None
        self._waiting = False

    def register(self) -> None:
        """Put this in place of what torch registers with its first workers; only a main thread can."""
        handler = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
        if is_worker_handler(handler) and in_main_thread():
            self._tell = handler
            signal.signal(signal.SIGCHLD, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Hear that a process ended; keep what torch says of it until a batch is waited for.

        Raises:
            RuntimeError: A worker died while one is.
        """
        assert self._tell is not None
        try:
            self._tell(number, frame)
        except RuntimeError as error:
            if self._waiting:
                raise
            self.told = error

    def each(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield batches.

        Raises:
            RuntimeError: A worker died, while a batch was waited for or before.
        """
        while True:
            self._waiting = True
            try:
                if self.told is not None:
                    raise self.told
                batch = next(batches)
            except StopIteration:
                return
            finally:
                self._waiting = False
            yield batch


WORKER_MONITOR = WorkerMonitor()
"""Of the workers of this process."""
OUTSIDE = {signal.SIGTERM, signal.SIGINT}
"""Signals sent to all of a run's processes are the main one's to answer, which still needs its workers."""


@contextmanager
def block_signals() -> Iterator[None]:
    """Start workers that such signals do not reach before `begin` has them ignored."""
    # Else each worker has a temporary folder of its own, which stays if it is killed.
    get_temp_dir()
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OUTSIDE)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent() -> None:
    """Have the system kill this process when the one that started it ends; Linux alone can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def begin(_worker: int) -> None:
    """Prepare a worker process: one processor, and no end but with the main process."""
    for number in OUTSIDE:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OUTSIDE)
    die_with_parent()
    main = multiprocessing.parent_process()
    if main is not None and main.pid != os.getppid():
        os._exit(1)  # it ended before this process could ask to end with it
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def kill_rest() -> None:
    """End the workers that are left, if any: at its exit, Python waits for them without end."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
            child.join(5)


class HasWorkers(Protocol):
    """A DataLoader of ours."""

    dataset: Any
    timeout: float

    def close(self) -> None:
        """End its workers."""

    def kill(self) -> None:
        """End its workers at once."""


@contextmanager
def telling(loaders: Sequence[HasWorkers]) -> Iterator[None]:
    """Say in our words that a worker died or hangs, and which samples the workers had in hand; end them all.

    Raises:
        DataError: A worker failed.
    """
    try:
        yield
        for loader in loaders:
            loader.close()
    except BaseException as error:
        for loader in loaders:
            loader.kill()
        if isinstance(error, RuntimeError) and FAILED.search(str(error)):
            # Where it names the process, torch may say why in what that follows from.
            told = f"{error} {error.__cause__ or ''}"
            raise DataError(f"{_reason(told, loaders)}{_current_samples(told, loaders)}\n{HINT}") from error
        raise
    finally:
        kill_rest()
        WORKER_MONITOR.told = None


HINT = (
    "  read them in this process to see what happens: data.num_workers=0\n"
    "  a worker that is killed may have met a limit of memory: fewer with data.num_workers=…; "
    "slow storage may need more time: data.timeout=…"
)


def _reason(message: str, loaders: Sequence[HasWorkers]) -> str:
    if "timed out" in message:
        seconds = max((loader.timeout for loader in loaders), default=0)
        return f"no batch came from the processes that prepare samples for {seconds:g} s (data.timeout)"
    cause = re.search(r"killed by signal: ([^.]+)", message)
    how = f"was killed by signal: {cause[1]}" if cause else "ended unexpectedly"
    return f"a process that prepares samples {how}"


def _current_samples(message: str, loaders: Sequence[HasWorkers]) -> str:
    """Return what the workers that torch names read last; of all of them, where it names none."""
    from ocr_trainer.data.split import name_of

    dead = {int(number) for number in re.findall(r"\d+", " ".join(PROCESSES.findall(message)))}
    lines = []
    for loader in loaders:
        dataset = loader.dataset
        if isinstance(dataset, TracksCurrentSample) and dataset.current_samples is not None:
            for worker, (process, index) in enumerate(dataset.current_samples.tolist()):
                if index >= 0 and (not dead or process in dead):
                    lines.append(f"\n  worker {worker}: sample {index}, {name_of(dataset.split, index)}")
    whose = "it" if dead else "the workers"
    return f":\n  what {whose} read last:" * bool(lines) + "".join(lines)

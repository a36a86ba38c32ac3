"""Time since the start of the process, so that reports include start-up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _age() -> float:
    """Return the age of the process in seconds; 0 if the system does not report it."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, AttributeError):
        return 0.0


_START = time.perf_counter() - _age()


class PhaseTimer:
    """Splits the time of a run into named phases, from its creation on.

    The first timer of a command starts with the process; later ones, as in a sweep, start when created.
    """

    _first: float | None = None

    def __init__(self) -> None:
        """Start the timer."""
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter() if PhaseTimer._first is None else PhaseTimer._first
        PhaseTimer._first = None

    @classmethod
    @contextmanager
    def counting_start_up(cls) -> Iterator[None]:
        """Let the next timer start with the process, if there is one before the context ends."""
        cls._first = _START
        try:
            yield
        finally:
            cls._first = None

    def end(self, phase: str) -> None:
        """Add the time since the end of the last phase to this phase."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


def since_start() -> float:
    """Return the seconds since the process began."""
    return time.perf_counter() - _START

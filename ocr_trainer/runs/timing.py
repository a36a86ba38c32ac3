"""The time since this process began, so that a report counts start-up from its first instruction."""

from __future__ import annotations

import os
import time
from pathlib import Path


def _age() -> float:
    """Return how long the process has run, in seconds; 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, AttributeError):
        return 0.0


_BEGAN = time.perf_counter() - _age()


class PhaseTimer:
    """Splits the time of a run into named phases.

    The first run of a process began with it; a further one, as in a sweep, begins when this is made.
    """

    _made = False

    def __init__(self) -> None:
        """Begin."""
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter() if PhaseTimer._made else _BEGAN
        PhaseTimer._made = True

    def end(self, phase: str) -> None:
        """Count the time since the last phase's end to this one."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


def since_start() -> float:
    """Return the seconds since the process began."""
    return time.perf_counter() - _BEGAN

"""Ending a run in good order when the system or the user asks for it by a signal.

Lightning's own handlers are not enough: a Ctrl-C breaks off in the middle of a step, SLURM's signal
saves in the middle of one, and with several processes a SIGTERM makes them wait for each other in
the handler. So the handler here only notes what was asked for; training looks at it between steps.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ASKED_AGAIN = 5.0
"""Seconds after which a further Ctrl-C ends the run at once; many press it several times in a row."""


class Stopped(BaseException):
    """A signal ended the run; its number is the exit status less 128."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def requeue_signal() -> int | None:
    """Return the signal by which SLURM announces the end of a job's time, if this is one of its jobs."""
    return int(signal.SIGUSR1) if "SLURM_JOB_ID" in os.environ and hasattr(signal, "SIGUSR1") else None


class Stop:
    """What was asked for by a signal; while `patient`, training ends at the next step's end."""

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self.asked: int | None = None
        self.patient = False
        self._since = 0.0
        self._listening = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal; raise where nothing looks at the note.

        Raises:
            Stopped: Nothing is to be waited for.
        """
        again, now = self.asked is not None, time.monotonic()
        if again and now - self._since <= ASKED_AGAIN:
            # What tidies up after the first is not to be broken off.
            return
        if self.patient and not (again and number == signal.SIGINT):
            if not again:
                # os.write, unlike print, may be called while something else is being printed.
                os.write(2, b"\nocr-train: stopping once this step is done and saved ...\n")
                self.asked, self._since = int(number), now
            return
        # Noted even so: what is raised within a destructor is lost, and training looks at the note.
        self.asked, self._since = self.asked or int(number), now
        raise Stopped(number)

    def register(self) -> None:
        """Take over the signals from whoever has them; only a main thread can."""
        if in_main_thread():
            for number in _numbers():
                signal.signal(number, self)

    @contextmanager
    def listening(self, keep_if_asked: bool = False) -> Iterator[None]:
        """Take over the signals for a while, in a main thread; `keep_if_asked`: for good, if one came."""
        if self._listening or not in_main_thread():
            yield
            return
        self.asked, self._listening = None, True
        before = {number: signal.getsignal(number) for number in _numbers()}
        self.register()
        try:
            yield
        finally:
            self._listening = False
            # A process that was asked to end does so in a moment, which further signals are not to disturb.
            if not (keep_if_asked and self.asked):
                self.asked = None
                for number, handler in before.items():
                    signal.signal(number, handler)


def in_main_thread() -> bool:
    """Tell whether this is the thread that signals come to."""
    return threading.current_thread() is threading.main_thread()


def _numbers() -> list[int]:
    return [n for n in (signal.SIGINT, signal.SIGTERM, requeue_signal()) if n is not None]


STOP = Stop()
"""Of this process."""

"""Stop a run cleanly on a signal from the system or the user.

Lightning's own handlers are not enough: a Ctrl-C breaks off in the middle of a step, SLURM's signal
saves in the middle of one, and with several processes a SIGTERM makes them wait for each other in
the handler. So this handler only records the signal; training checks for it between steps.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_DELAY = 5.0
"""Seconds after which another Ctrl-C stops the run at once; users often press it several times in a row."""


HANGUP, QUIT = (getattr(signal, name, None) for name in ("SIGHUP", "SIGQUIT"))
r"""The signals of a terminal that is lost, and of Ctrl-\; None on systems without them."""


class Stopped(BaseException):
    """A signal stopped the run; the exit status is its number plus 128."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def requeue_signal() -> int | None:
    """Return the signal by which SLURM announces the end of a job's time, if this is one of its jobs."""
    return int(signal.SIGUSR1) if "SLURM_JOB_ID" in os.environ and hasattr(signal, "SIGUSR1") else None


class Stop:
    """Signal handler that records the signal; while `patient`, training stops after the current step."""

    def __init__(self) -> None:
        """Start without a recorded signal."""
        self.asked: int | None = None
        self.patient = False
        self.raised: int | None = None
        """The signal for which `Stopped` was raised. A library may have caught it, as torch does while it is
        imported, and then end with an error of its own."""
        self._since = 0.0
        self._listening = self._ending = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Record the signal; raise if training is not going to check for it.

        Raises:
            Stopped: The run must stop at once.
        """
        again, now = self.asked is not None, time.monotonic()
        if again and now - self._since <= REPEAT_DELAY:
            # The cleanup after the first signal must not be interrupted.
            return
        if self._ending and self.asked is not None:
            os._exit(128 + self.asked)  # nothing is left that could handle an exception
        if number == HANGUP:
            _leave_lost_terminal()
        if number == QUIT:
            signal.signal(number, signal.SIG_DFL)  # a second one ends a process that hangs
        if self.patient and not (again and number == signal.SIGINT):
            if not again:
                # Unlike print, os.write is safe while another print is in progress.
                os.write(2, b"\nocr-train: stopping once this step is done and saved ...\n")
                self.asked, self._since = int(number), now
            return
        # Also recorded, because an exception raised within a destructor is lost.
        self.asked, self._since = self.asked or int(number), now
        self.raised = int(number)
        raise Stopped(number)

    def register(self) -> None:
        """Install this handler; only the main thread can."""
        if in_main_thread():
            for number in _numbers():
                # `nohup` has a run ignore SIGHUP; that is what its user wants.
                if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self)

    @contextmanager
    def listening(self, keep_if_asked: bool = False) -> Iterator[None]:
        """Install this handler in the main thread; keep it if `keep_if_asked` and a signal came."""
        if self._listening or not in_main_thread():
            yield
            return
        self.asked, self.raised, self._listening, self._ending = None, None, True, False
        before = {number: signal.getsignal(number) for number in _numbers()}
        self.register()
        try:
            yield
        finally:
            self._listening = False
            # The process is about to end; further signals must not disturb that.
            self._ending = keep_if_asked and self.asked is not None
            if not self._ending:
                self.asked = self.raised = None
                for number, handler in before.items():
                    signal.signal(number, handler)


def _leave_lost_terminal() -> None:
    """Write to nowhere what would go to a terminal that is gone: an error would keep a run from saving."""
    for descriptor in (1, 2):
        try:
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"\n")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def in_main_thread() -> bool:
    """Return whether this is the main thread, which receives signals."""
    return threading.current_thread() is threading.main_thread()


def _numbers() -> list[int]:
    numbers = (signal.SIGINT, signal.SIGTERM, HANGUP, QUIT, requeue_signal())
    return [int(number) for number in numbers if number is not None]


STOP = Stop()
"""The handler of this process."""

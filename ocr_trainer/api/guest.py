"""Restore the state of the caller's process after a call: seeds, filters, handlers, environment variables.

The state is saved when the first of several overlapping calls begins, and restored when the last one ends.
Otherwise, of two calls in different threads, each would undo the changes of the other.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ocr_trainer.config.security import redact
from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.runs.signals import STOP, Stopped, in_main_thread
from ocr_trainer_runtime.text.visible import visible

Restore = Callable[[], None]


class Kept:
    """A context that restores a part of the process. Calls may be nested, and overlap in threads."""

    def __init__(self, save: Callable[[], Restore]) -> None:
        """Store the function that saves the state and returns the function that restores it."""
        self._save = save
        self._lock = threading.Lock()
        self._calls = 0
        self._restore: Restore = lambda: None

    def __enter__(self) -> None:
        with self._lock:
            if not self._calls:
                self._restore = self._save()
            self._calls += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._calls -= 1
            if not self._calls:
                self._restore()


def _save_process() -> Restore:
    """Save the state that belongs neither to NumPy nor to torch."""
    environment, folder = dict(os.environ), _folder()
    hooks, draws = (sys.excepthook, threading.excepthook), random.getstate()
    filters, format_warning = warnings.catch_warnings(), warnings.formatwarning
    filters.__enter__()

    def restore() -> None:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        for name, value in environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        if folder is not None and _folder() != folder:
            os.chdir(folder)
        sys.excepthook, threading.excepthook = hooks
        random.setstate(draws)
        filters.__exit__(None, None, None)
        warnings.formatwarning = format_warning

    return restore


def _folder() -> Path | None:
    """Return the working directory, or None if it has been removed."""
    with suppress(FileNotFoundError):
        return Path.cwd()
    return None


def _save_torch() -> Restore:
    from ocr_trainer.engine.process_state import save

    return save()


def _save_libraries() -> Restore:
    from ocr_trainer.engine.process_state import save_with_lightning

    return save_with_lightning()


_PROCESS = Kept(_save_process)
libraries = Kept(_save_libraries)
"""Restores the state of NumPy, torch and the loggers. It imports them, so check the configuration first."""
torch_only = Kept(_save_torch)
"""The same where Lightning is not needed, which takes longer to import than torch."""


@contextmanager
def guest() -> Iterator[None]:
    """Restore the state of the process; mask secrets in error messages, and spell control characters.

    Within a run, signals end the run between two steps. Afterwards they reach the process as they would have
    without the run: Ctrl-C raises `KeyboardInterrupt`.
    """
    with _PROCESS:
        try:
            with _signal_handlers():
                yield
        except OcrTrainerError as error:
            error.args = tuple(visible(redact(str(text))) for text in error.args)
            raise
        except Stopped as stopped:
            if in_main_thread() and signal.getsignal(stopped.number) is not STOP:
                signal.raise_signal(stopped.number)
            raise


@contextmanager
def _signal_handlers() -> Iterator[None]:
    """Restore the handlers of signals, which only the main thread can change."""
    if not in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    worker_handler = _torch_handles_workers()
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: a handler that Python has not set, and cannot.
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if not worker_handler and _torch_handles_workers():
            from ocr_trainer.internals.torch import forget_worker_handler

            forget_worker_handler()


def _torch_handles_workers() -> Any:
    """Return whether torch has set its handler of SIGCHLD."""
    if "torch.utils.data" not in sys.modules:
        return False
    from ocr_trainer.internals.torch import has_worker_handler

    return has_worker_handler()

"""A logger that fails costs a warning, never the run.

Every logger, ours and a stranger's, is wrapped before the Trainer gets it. Whatever it raises is told
once, and the logger is off for the rest of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyExperiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.plugin.discovery import Installed

log = logging.getLogger("ocr_trainer")


def _answer(name: str, default: Any = None) -> property:
    """A property of the logger within."""
    return property(lambda self: self._ask(name, default))


def _relay(name: str) -> Callable[..., None]:
    """A method of the logger within."""

    def call(self: SafeLogger, *args: Any, **options: Any) -> None:
        self._call(name, *args, **options)

    return call


class NullExperiment(DummyExperiment):
    """What a logger that is off has in place of what it had: callable, with any attribute."""

    def __call__(self, *args: Any, **options: Any) -> None:
        """Do nothing."""


class SafeLogger(Logger):
    """A logger whose errors end here; it is asked to write on rank zero alone.

    What the logger has beside Lightning's methods, such as `log_image` and `close`, this one has, too,
    and nothing else: `hasattr` says what it says of the logger within.
    """

    failure: str | None = None
    """Why the logger is off."""

    name = _answer("name")
    version = _answer("version")
    save_dir = _answer("save_dir")
    root_dir = _answer("root_dir")
    log_dir = _answer("log_dir")
    group_separator = _answer("group_separator", "/")

    log_metrics = _relay("log_metrics")
    log_hyperparams = _relay("log_hyperparams")
    log_graph = _relay("log_graph")
    after_save_checkpoint = _relay("after_save_checkpoint")
    save = _relay("save")
    finalize = _relay("finalize")

    def __init__(self, plugin: Installed, make: Callable[[], Logger]) -> None:
        """Make the logger.

        Raises:
            OcrTrainerError: The user or the plugin is mistaken: told before anything begins.
        """
        self.plugin = plugin
        self._logger: Logger | None = None
        try:
            self._logger = make()
        except OcrTrainerError:
            raise
        except Exception as error:  # as below
            self._give_up(error)

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        if self.failure is not None or rank_zero_only.rank > 0:
            return None
        try:
            return getattr(self._logger, name)(*args, **options)
        # Containment is what this class is for: a logger may raise anything.
        except Exception as error:
            return self._give_up(error)

    def _ask(self, name: str, default: Any) -> Any:
        if self.failure is not None:
            return default
        try:
            return getattr(self._logger, name)
        except Exception as error:  # as above
            self._give_up(error)
            return default

    def __getattr__(self, name: str) -> Any:
        # Asked for what is not found otherwise. Unpickling asks before there is a logger.
        if name.startswith("_"):
            raise AttributeError(name)
        if self.failure is None:
            try:
                found = getattr(self._logger, name)
                return partial(self._call, name) if callable(found) else found
            except AttributeError:
                raise
            except Exception as error:  # as above
                self._give_up(error)
        getattr(type(self._logger), name)  # what it never had, it does not have now
        return NullExperiment()

    def _give_up(self, error: Exception) -> None:
        self.failure = reason(error)
        by = f"{self.plugin.distribution} {self.plugin.version}"
        log.warning(
            "the logger '%s' (%s) is off from here on, the run is not affected: %s",
            self.plugin.name,
            by,
            self.failure,
        )


def reason(error: BaseException) -> str:
    """Return in one line what an error is about: what caused it first, where it says so."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0].rstrip(": ")


def failures(loggers: Iterable[Logger]) -> dict[str, str]:
    """Return which loggers failed, by name, and why: those that are off, or say so by `failure`."""
    contained = [logger for logger in loggers if isinstance(logger, SafeLogger)]
    return {logger.plugin.name: str(failure) for logger in contained if (failure := _failure(logger))}


def _failure(logger: SafeLogger) -> Any:
    return logger.failure or getattr(logger._logger, "failure", None)


def close(loggers: Iterable[Logger]) -> None:
    """Close what can be closed."""
    for logger in loggers:
        if hasattr(logger, "close"):
            logger.close()

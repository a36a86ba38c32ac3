"""`SafeLogger`: a logger that fails logs a warning and never ends the run.

Every logger, built-in or third-party, is wrapped before the Trainer gets it. Its first error is logged once,
and the logger is off for the rest of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]

from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.internals.lightning import DummyExperiment
from ocr_trainer.plugin.metadata import Installed

log = logging.getLogger("ocr_trainer")


def _delegate_property(name: str, default: Any = None) -> property:
    """Return a property that reads that of the wrapped logger."""
    return property(lambda self: self._get(name, default))


def _delegate(name: str) -> Callable[..., None]:
    """Return a method that calls that of the wrapped logger."""

    def call(self: SafeLogger, *args: Any, **options: Any) -> None:
        self._call(name, *args, **options)

    return call


class NullExperiment(DummyExperiment):
    """The attributes of a logger that is off: callable, with any attribute, and without effect."""

    def __call__(self, *args: Any, **options: Any) -> None:
        """Do nothing."""


class SafeLogger(Logger):
    """Wraps a logger, contains its errors and calls it on rank zero only.

    It has the additional methods of the wrapped logger, such as `log_image` and `close`, and no others:
    `hasattr` returns the same for both.

    Args:
        plugin: The logger's plugin, for messages.
        make: Makes the logger.

    Raises:
        OcrTrainerError: An option is invalid or the plugin cannot be used. This does end the run, before it
            starts.
    """

    failure: str | None = None
    """Why the logger is off, or None."""

    name = _delegate_property("name")
    version = _delegate_property("version")
    save_dir = _delegate_property("save_dir")
    root_dir = _delegate_property("root_dir")
    log_dir = _delegate_property("log_dir")
    group_separator = _delegate_property("group_separator", "/")

    log_metrics = _delegate("log_metrics")
    log_hyperparams = _delegate("log_hyperparams")
    log_graph = _delegate("log_graph")
    after_save_checkpoint = _delegate("after_save_checkpoint")
    save = _delegate("save")
    finalize = _delegate("finalize")

    def __init__(self, plugin: Installed, make: Callable[[], Logger]) -> None:
        self.plugin = plugin
        self._logger: Logger | None = None
        try:
            self._logger = make()
        except OcrTrainerError:
            raise
        except Exception as error:  # see _call
            self._turn_off(error)

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        if self.failure is not None or getattr(rank_zero_only, "rank", 0) > 0:
            return None
        try:
            return getattr(self._logger, name)(*args, **options)
        # This class exists to contain errors, and a logger may raise any type.
        except Exception as error:
            return self._turn_off(error)

    def _get(self, name: str, default: Any) -> Any:
        if self.failure is not None:
            return default
        try:
            return getattr(self._logger, name)
        except Exception as error:  # see _call
            self._turn_off(error)
            return default

    def __getattr__(self, name: str) -> Any:
        # Python calls this for attributes that this class lacks; unpickling does so before `_logger` is set.
        if name.startswith("_"):
            raise AttributeError(name)
        if self.failure is None:
            try:
                value = getattr(self._logger, name)
                return partial(self._call, name) if callable(value) else value
            except AttributeError:
                raise
            except Exception as error:  # see _call
                self._turn_off(error)
        # A logger that is off still raises AttributeError for names that its class lacks.
        getattr(type(self._logger), name)
        return NullExperiment()

    def _turn_off(self, error: Exception) -> None:
        self.failure = reason(error)
        by = f"{self.plugin.distribution} {self.plugin.version}"
        log.warning(
            "the logger '%s' (%s) is now off, the run is not affected: %s",
            self.plugin.name,
            by,
            self.failure,
        )


def reason(error: BaseException) -> str:
    """Return the root cause of an error on one line: its type and the first line of its message."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0].rstrip(": ")


def failures(loggers: Iterable[Logger]) -> dict[str, str]:
    """Return why loggers failed, by name: those that are off, and those that set an attribute `failure`."""
    safe = [logger for logger in loggers if isinstance(logger, SafeLogger)]
    return {logger.plugin.name: str(failure) for logger in safe if (failure := _failure(logger))}


def _failure(logger: SafeLogger) -> Any:
    return logger.failure or getattr(logger._logger, "failure", None)


def close(loggers: Iterable[Logger]) -> None:
    """Close the loggers that have a `close` method."""
    for logger in loggers:
        if hasattr(logger, "close"):
            logger.close()

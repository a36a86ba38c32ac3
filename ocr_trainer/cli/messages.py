"""Print errors, warnings, and tracebacks of bugs, on standard error. Secrets are masked."""

from __future__ import annotations

import sys
import warnings
from types import TracebackType
from typing import TextIO

from ocr_trainer.cli.flags import spelled
from ocr_trainer_runtime.text.visible import echo


def print_error(error: object, *parameters: str) -> None:
    """Print an error in one message, with the names of these parameters as flags."""
    from ocr_trainer.config.security import redact

    echo(f"ocr-train: {redact(spelled(str(error), *parameters))}", file=sys.stderr)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, for `sys.excepthook`."""
    import traceback

    from ocr_trainer.config.security import redact

    echo(redact("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as Python does, for `warnings.showwarning`."""
    echo(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end="")

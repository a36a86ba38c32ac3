"""Print errors, and tracebacks of bugs, on standard error. Secrets are masked."""

from __future__ import annotations

import sys
from types import TracebackType

from ocr_trainer.cli.flags import spelled


def print_error(error: object, *parameters: str) -> None:
    """Print an error in one message, with the names of these parameters as flags."""
    from ocr_trainer.config.security import redact

    print(f"ocr-train: {redact(spelled(str(error), *parameters))}", file=sys.stderr)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, for `sys.excepthook`."""
    import traceback

    from ocr_trainer.config.security import redact

    print(redact("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)

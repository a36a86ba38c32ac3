"""Parameters as flags: messages of the Python API say `pred_form=`, those of a command `--pred-form`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ocr_trainer.errors import OcrTrainerError


@contextmanager
def as_flags(*parameters: str) -> Iterator[None]:
    """Name these parameters as flags in messages of errors: `steps=N` becomes `--steps N`."""
    try:
        yield
    except OcrTrainerError as error:
        error.args = (spelled(str(error), *parameters),)
        raise


def spelled(message: str, *parameters: str) -> str:
    """Return a message with these parameters as flags."""
    for name in parameters:
        flag, parameter = f"--{name.replace('_', '-')}", rf"(?<![\w.]){name}="
        message = re.sub(rf"{parameter}(?=\w)", f"{flag} ", message)
        message = re.sub(parameter, flag, message)
    return message

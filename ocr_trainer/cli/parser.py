"""The parser of a command's arguments."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import NoReturn

from ocr_trainer_runtime.text.visible import visible


class Parser(ArgumentParser):
    """Python's parser, whose errors quote arguments with their control characters spelled."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and exit with status 2."""
        super().error(visible(message))

"""Progress of commands that process images one by one: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ocr_trainer_runtime.text.visible import echo, visible

Report = Callable[..., None]
"""`report(line="", important=False)`: call it once per image; an empty line only advances the bar."""


@contextmanager
def progress(images: int, doing: str) -> Iterator[Report]:
    """Show a bar on a terminal, with important lines above it. Elsewhere, and for one image, print all lines.

    Args:
        images: The number of images.
        doing: The word before the bar, such as `reading`.
    """
    if images == 1 or not sys.stdout.isatty():
        yield _print
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Redirect standard error around the bar only if it is the same terminal, not if it is a file.
    with Progress(*columns, transient=True, redirect_stderr=sys.stderr.isatty()) as bar:
        row = bar.add_task(doing, total=images)

        def report(line: str = "", important: bool = False) -> None:
            if line and important:
                bar.console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
            bar.advance(row)

        yield report


def _print(line: str = "", important: bool = False) -> None:
    if line:
        echo(line, flush=True)

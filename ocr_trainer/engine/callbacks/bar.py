"""How far a command is that goes through images: a bar on a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[..., None]
"""`tell(line, matters=False)`, called once per image; no line says no more than that it is done."""


@contextmanager
def progress(images: int, doing: str) -> Iterator[Tell]:
    """Show a bar on a terminal, with the lines that matter above it; elsewhere, and for one image, all lines.

    Args:
        images: How many there are.
        doing: What is done, as a word before the bar.
    """
    if images == 1 or not sys.stdout.isatty():
        yield _say
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # What goes to standard error goes round the bar only if that is the same terminal.
    with Progress(*columns, transient=True, redirect_stderr=sys.stderr.isatty()) as bar:
        row = bar.add_task(doing, total=images)

        def tell(line: str = "", matters: bool = False) -> None:
            if line and matters:
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            bar.advance(row)

        yield tell


def _say(line: str = "", matters: bool = False) -> None:
    if line:
        print(line, flush=True)

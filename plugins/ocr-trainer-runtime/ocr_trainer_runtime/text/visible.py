"""Print text from outside: file names, labels, messages of libraries. Control characters are spelled.

A terminal obeys escape sequences in whatever is printed to it, and bidirectional controls show a name in
another order than it has. All output of the package goes through `echo`, or through `visible` where
something else writes it, such as a log handler.
"""

from __future__ import annotations

import re
from typing import TextIO

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, of which escape sequences are made
    "\xad\u061c\u180e\u200b\u200e\u200f\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible
    "\u2028-\u202e"  # line separators, bidi embeddings and overrides; isolates are above
    "\ud800-\udfff"  # bytes that are not UTF-8
    "\U000e0000-\U000e007f]"  # invisible tags
)
"""Not among them: line breaks, tabs, and the joiners U+200C and U+200D, which Persian and emoji need."""
BREAKS = re.compile("[\n\t]")


def visible(text: str) -> str:
    r"""Return a text with its control characters spelled as in Python: `\x1b` for an escape."""
    return UNSAFE.sub(_spelled, text)


def one_line(text: str) -> str:
    r"""Return a text as `visible` does, with `\n` for line breaks: a name must not look like two messages."""
    return BREAKS.sub(_spelled, visible(text))


def echo(*values: object, file: TextIO | None = None, end: str = "\n", flush: bool = False) -> None:
    """Print values as `print` does, with their control characters spelled."""
    print(*(visible(str(value)) for value in values), file=file, end=end, flush=flush)


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")

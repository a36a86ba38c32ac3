"""Helpers that the writers of PAGE XML, ALTO and hOCR share: valid XML text, serialization, scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ocr_trainer_runtime.text.visible import UNSAFE

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Word


# XML 1.0 forbids these characters, even escaped.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Replace characters that XML 1.0 forbids with U+FFFD."""
    return FORBIDDEN.sub("\ufffd", text)


def serialize(root: ElementTree.Element, head: str) -> str:
    """Return an indented document, with `head` as its first line.

    Empty elements get an end tag, as HTML parsers would otherwise read what follows as their content.
    The exception is `meta`, which must not have one in HTML.
    """
    ElementTree.indent(root, " ")
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    text = f"{head}\n{text}\n".replace("></meta>", " />")
    # A parser reads these references as the characters; a terminal that shows the file obeys none of them.
    return UNSAFE.sub(lambda found: f"&#{ord(found[0])};", text)


def joined(words: Sequence[Word]) -> str:
    """Return the text of a line: its words, separated by spaces."""
    return clean(" ".join(word.text for word in words if word.text))


def unit(score: float) -> str:
    """Format a score as a decimal number without exponent, clamped to 0 to 1."""
    return f"{min(max(score, 0.0), 1.0):.4f}"

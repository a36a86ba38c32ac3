"""What PAGE XML and hOCR share: XML that any reader takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from ocr_trainer.results.page import Text

# XML 1.0 has no place for these, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Replace what XML cannot hold by U+FFFD."""
    return FORBIDDEN.sub("\ufffd", text)


def serialize(root: ElementTree.Element, head: str) -> str:
    """Return a document, indented, behind its first line.

    Empty elements get an end tag: readers of HTML would take what follows for their content. Only that of
    `meta` must have none.
    """
    ElementTree.indent(root, " ")
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return f"{head}\n{text}\n".replace("></meta>", " />")


def joined(texts: Sequence[Text]) -> str:
    """Return what a line reads."""
    return clean(" ".join(text.words for text in texts if text.words))


def unit(score: float) -> str:
    """Return a score as XML Schema and people read it, between 0 and 1."""
    return f"{min(max(score, 0.0), 1.0):.4f}"

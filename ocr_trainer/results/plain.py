"""Results as plain text: a row per line, an empty row between blocks."""

from __future__ import annotations

from ocr_trainer.results.page import Page


def write(page: Page) -> str:
    """Return what was read, in reading order and in logical order within a row.

    Texts in which nothing was read are left out.
    """
    blocks = []
    for block in page.blocks:
        rows = (" ".join(text.words for text in line if text.words) for line in block)
        blocks.append("".join(f"{row}\n" for row in rows if row))
    return "\n".join(block for block in blocks if block)

"""One row of an annotation file: `x1,y1,x2,y2,x3,y3,x4,y4,TEXT`.

Not CSV: the text runs to the end of the row, and its commas and quotes are part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ocr_trainer.plugin import Ledger
from ocr_trainer.training.annotations import Labels, read_rows

CORNERS = 4


def parse_row(row: str) -> tuple[list[tuple[float, float]], str]:
    """Return the corners and the text of a row, the text without blanks around it.

    A row that ends after the eighth coordinate has an empty text.

    Raises:
        ValueError: If it does not start with eight numbers.
    """
    *fields, text = [*row.split(",", 2 * CORNERS), ""][: 2 * CORNERS + 1]
    if len(fields) < 2 * CORNERS:
        raise ValueError(f"not x1,y1,x2,y2,x3,y3,x4,y4,TEXT: {row.strip()[:60]!r}")
    numbers = [_number(field) for field in fields]
    return list(zip(numbers[::2], numbers[1::2], strict=True)), text.strip()


def read_labels(path: Path, is_ignored: Callable[[str], bool], ledger: Ledger) -> Labels:
    """Read the labels of one image; a row that cannot be used goes into the ledger.

    Args:
        is_ignored: Tells by its text whether a label is "don't care"; such a text is a mark and not kept.

    Raises:
        DataError: If the file cannot be read.
    """
    labels = Labels()
    for line, row in read_rows(path, ledger):
        try:
            points, text = parse_row(row)
        except ValueError as fault:
            ledger.read(labels=1)
            ledger.skip_label(path, line, str(fault))
            continue
        ignored = is_ignored(text)
        labels.add(points, "" if ignored else text, ignored, ledger, path, line)
    return labels


def _number(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise ValueError(f"{field.strip()[:20]!r} is not a coordinate") from None

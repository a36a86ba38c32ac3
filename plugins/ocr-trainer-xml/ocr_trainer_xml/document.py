"""Parse numbers and points in XML attributes."""

from __future__ import annotations

import re

from ocr_trainer.plugin.options import ExifOrientation


def number(text: str) -> float:
    """Return a number.

    Raises:
        ValueError: The message is recorded in the data report.
    """
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text.strip()[:20]!r} is not a number") from None


def to_points(text: str) -> list[tuple[float, float]]:
    """Return the points of `x,y x,y …` or, as ALTO may have it, `x y x y …`.

    Raises:
        ValueError: The message is recorded in the data report.
    """
    pairs = [pair.split(",") for pair in text.split()]
    if "," not in text:
        values = text.split()
        pairs = [values[place : place + 2] for place in range(0, len(values), 2)]
    if invalid := next((pair for pair in pairs if len(pair) != 2), None):
        raise ValueError(f"{','.join(invalid)[:40]!r} is not a point x,y")
    return [(number(x), number(y)) for x, y in pairs]


def to_frame(text: str, pattern: str) -> ExifOrientation:
    """Return the frame of coordinates that a pattern finds as a word in a text; `auto` if it finds none."""
    found = re.search(pattern, text)
    return next(
        (frame for frame in ExifOrientation if found and frame.value == found[1]), ExifOrientation.auto
    )

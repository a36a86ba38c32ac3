"""Pages of results to write: two texts per line, with what writers must escape."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from ocr_trainer.data.types import Detections, Recognition
from ocr_trainer.results import Page, page_of

WHEN = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)
AWKWARD = ["a<b & \"c\" 'd'>", "1 < 2", "]]> &amp; é", "tab\there"]


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def reading(text: str, score: float = 0.5) -> Recognition:
    return Recognition(text, np.full(len(text), score, np.float32), score)


def page(*texts: str, source: str = "scans/a page.png", read: bool = True) -> Page:
    """Return a page with two texts per line."""
    places = [(20 + 200 * (n % 2), 20 + 40 * (n // 2)) for n in range(len(texts))]
    polygons = [box(x - 0.4, y, x + 150.3, y + 25) for x, y in places]
    found = Detections(polygons, np.full(len(texts), 0.875, np.float32), ["a warning"])
    return page_of(source, (300, 400), found, [reading(text) for text in texts] if read else None)

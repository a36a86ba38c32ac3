"""The result for one image, `Page`: detected and recognized texts in reading order; input of all writers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ocr_trainer.data.types import Detections, Polygon, Recognition
from ocr_trainer.results.reading_order import reading_order, right_to_left


@dataclass(frozen=True, slots=True)
class Text:
    """A detected text and, if there is a recognizer, its recognition."""

    polygon: Polygon
    """float32, (points, 2), in pixels of the image."""
    score: float
    """Confidence of the detector, 0 to 1."""
    reading: Recognition | None = None
    """None without a recognizer."""

    @property
    def words(self) -> str:
        """The recognized text; empty without a recognizer."""
        return self.reading.text if self.reading else ""


@dataclass(slots=True)
class Page:
    """The texts of an image in reading order."""

    source: str
    """Path of the image as the user gave it."""
    width: int
    """Width of the image in pixels."""
    height: int
    """Height of the image in pixels."""
    blocks: list[list[list[Text]]]
    """Blocks of lines of texts, in reading order."""
    warnings: list[str] = field(default_factory=list)
    """Messages for the user, such as a limit on detections that was reached."""

    @property
    def texts(self) -> list[Text]:
        """All texts in reading order."""
        return [text for block in self.blocks for line in block for text in line]

    @property
    def right_to_left(self) -> bool:
        """Whether most of the text runs from right to left."""
        return right_to_left([text.words for text in self.texts])


def page_of(
    source: str | os.PathLike[str],
    size: tuple[int, int],
    found: Detections,
    recognitions: Sequence[Recognition] | None = None,
) -> Page:
    """Return the page of an image: its detections and recognitions, put in reading order.

    Args:
        source: Path of the image.
        size: Height and width of the image in pixels.
        found: Detections; polygons in pixels of the image.
        recognitions: One per polygon; None without a recognizer.
    """
    height, width = size
    readings: Sequence[Recognition | None] = (
        recognitions if recognitions is not None else [None] * len(found.polygons)
    )
    texts = [Text(p, float(s), r) for p, s, r in zip(found.polygons, found.scores, readings, strict=True)]
    layout = reading_order(found.polygons, [text.words for text in texts])
    blocks = [[[texts[index] for index in line] for line in block] for block in layout]
    return Page(shown_path(source), width, height, blocks, list(found.warnings))


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be encoded: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", errors="replace")

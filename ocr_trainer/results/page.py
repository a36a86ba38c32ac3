"""A page as every form of output takes it: texts in reading order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ocr_trainer.data.types import Detections, Polygon, Recognition
from ocr_trainer.results.reading_order import reading_order, right_to_left


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was found and, where there is a recognizer, read."""

    polygon: Polygon
    """In pixels of the image."""
    score: float
    """How sure the detector is, 0 to 1."""
    reading: Recognition | None = None

    @property
    def words(self) -> str:
        """What was read; nothing where nothing was."""
        return self.reading.text if self.reading else ""


@dataclass(slots=True)
class Page:
    """What was found in an image."""

    source: str
    """The image's path as the user gave it."""
    width: int
    height: int
    blocks: list[list[list[Text]]]
    """Blocks of lines of texts, in reading order."""
    warnings: list[str] = field(default_factory=list)
    """What the user should know, such as a limit that was reached."""

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
    """Put what was found in reading order.

    Args:
        source: The image's path.
        size: Its height and width.
        found: Polygons in its pixels.
        readings: One per polygon, if they were read.
    """
    height, width = size
    read: Sequence[Recognition | None] = (
        recognitions if recognitions is not None else [None] * len(found.polygons)
    )
    texts = [Text(p, float(s), r) for p, s, r in zip(found.polygons, found.scores, read, strict=True)]
    layout = reading_order(found.polygons, [text.words for text in texts])
    blocks = [[[texts[index] for index in line] for line in block] for block in layout]
    return Page(shown_path(source), width, height, blocks, list(found.warnings))


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path as text; what of it is not UTF-8 becomes U+FFFD, so that it can be written."""
    return os.fsencode(path).decode("utf-8", errors="replace")

"""The result for one image, `Page`: detected and recognized words in reading order; input of all writers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ocr_trainer_runtime.errors import DataError
from ocr_trainer_runtime.results.reading_order import reading_order, right_to_left
from ocr_trainer_runtime.types import Detections, Image, Polygon, Recognition

SHOWN_SIDE = 1600
"""Largest side of a page's picture on the screen, in pixels."""


@dataclass(frozen=True, slots=True)
class Word:
    """A detected text, a word or a line, and its recognition if there is a recognizer."""

    polygon: Polygon
    """float32, (points, 2), in pixels of the image."""
    score: float
    """Confidence of the detector, 0 to 1."""
    reading: Recognition | None = None
    """None without a recognizer."""

    @property
    def text(self) -> str:
        """The recognized text, in logical order; empty without a recognizer."""
        return self.reading.text if self.reading else ""

    @property
    def confidence(self) -> float:
        """Confidence of the recognizer in the text, or of the detector without a recognizer; 0 to 1.

        That of a text is the mean of the confidences in its characters.
        """
        return self.reading.confidence if self.reading else self.score


@dataclass(slots=True, repr=False)
class Page:
    """The words of an image in reading order. A notebook shows it as a picture."""

    source: str
    """Path of the image as the user gave it, or the name of an image without one."""
    width: int
    """Width of the image in pixels."""
    height: int
    """Height of the image in pixels."""
    blocks: list[list[list[Word]]]
    """Blocks of lines of words, in reading order."""
    warnings: list[str] = field(default_factory=list)
    """Messages for the user, such as a limit on detections that was reached."""
    number: int | None = None
    """Number of the page in its document, from 1; None for an image."""
    dpi: float | None = None
    """Pixels per inch at which a page of a PDF was rendered; None for an image."""
    load_image: Callable[[], Image] | None = field(default=None, repr=False, compare=False)
    """Returns the image; None for a page without one."""
    load_file: Callable[[], bytes | None] | None = field(default=None, repr=False, compare=False)
    """Returns the content of the image file, or None for an image that is no file by itself."""

    @property
    def label(self) -> str:
        """Name for messages: the source, with the number of the page in its document."""
        return self.source if self.number is None else f"{self.source} page {self.number}"

    @property
    def words(self) -> list[Word]:
        """All words in reading order."""
        return [word for block in self.blocks for line in block for word in line]

    @property
    def text(self) -> str:
        """The recognized text in reading order: a row per line, an empty row between blocks.

        Words that were recognized as empty are omitted.
        """
        blocks = []
        for block in self.blocks:
            rows = (" ".join(word.text for word in line if word.text) for line in block)
            blocks.append("\n".join(row for row in rows if row))
        return "\n\n".join(block for block in blocks if block)

    @property
    def right_to_left(self) -> bool:
        """Whether most of the text runs from right to left."""
        return right_to_left([word.text for word in self.words])

    @property
    def image(self) -> Image:
        """The image: uint8, (height, width, 3), RGB. It is read again if it is a file.

        Raises:
            DataError: The image cannot be read any more, or the page has none.
        """
        if self.load_image is None:
            raise DataError(f"the page of '{self.source}' has no image")
        return self.load_image()

    def to_dict(self) -> dict[str, Any]:
        """Return the page as dictionaries, lists, strings and numbers, as the JSON writer writes it."""
        from ocr_trainer_runtime.results import json_file

        return json_file.record(self)

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write the page to a file.

        Args:
            path: The file.
            format: Name of a format; chosen by the suffix of the file if not given.

        Raises:
            ConfigError: No format has that name or suffix, or it needs recognized text and the page has none,
                or a package that is not installed.
            DataError: The file cannot be written.
        """
        from ocr_trainer_runtime.results.files import write_page

        write_page(self, Path(path), format)

    def show(self) -> None:
        """Show the picture with the words: in the notebook, or else in the system's viewer."""
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            sys.modules["IPython"].display.display(self)
            return
        from PIL import Image as Pillow

        Pillow.fromarray(self._picture()).show(self.source)

    def _repr_png_(self) -> bytes:
        """Return the picture with the words as PNG, for notebooks."""
        from ocr_trainer_runtime.images.read import png

        return png(self._picture())

    def __repr__(self) -> str:
        return f"<Page of '{self.label}': {self.width} x {self.height} pixels, {len(self.words)} words>"

    def _picture(self) -> Image:
        from ocr_trainer_runtime.results.draw import draw_page

        return draw_page(self.image, self, max_side=SHOWN_SIDE)


P = TypeVar("P", bound=Page)


def page_of(
    source: str | os.PathLike[str],
    size: tuple[int, int],
    found: Detections,
    recognitions: Sequence[Recognition] | None = None,
    kind: type[P] = Page,  # type: ignore[assignment]
) -> P:
    """Return the page of an image: its detections and recognitions, put in reading order.

    Args:
        source: Path of the image.
        size: Height and width of the image in pixels.
        found: Detections; polygons in pixels of the image.
        recognitions: One per polygon; None without a recognizer.
        kind: The class of the page.
    """
    height, width = size
    readings: Sequence[Recognition | None] = (
        recognitions if recognitions is not None else [None] * len(found.polygons)
    )
    words = [Word(p, float(s), r) for p, s, r in zip(found.polygons, found.scores, readings, strict=True)]
    layout = reading_order(found.polygons, [word.text for word in words])
    blocks = [[[words[index] for index in line] for line in block] for block in layout]
    return kind(shown_path(source), width, height, blocks, list(found.warnings))


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be encoded: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", errors="replace")

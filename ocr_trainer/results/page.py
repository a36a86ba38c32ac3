"""Pages whose formats are plugins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_trainer_runtime import results
from ocr_trainer_runtime.results.page import Word as Word
from ocr_trainer_runtime.results.page import shown_path as shown_path
from ocr_trainer_runtime.types import Detections, Recognition


@dataclass(slots=True, repr=False)
class Page(results.Page):
    """The words of an image in reading order. A notebook shows it as a picture."""

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write the page to a file.

        Args:
            path: The file.
            format: Name of a writer plugin; chosen by the suffix of the file if not given.

        Raises:
            ConfigError: No format has that suffix, or it needs recognized text and the page has none.
            PluginError: There is no such format, or its plugin cannot be used.
            DataError: The file cannot be written.
        """
        from ocr_trainer.results.files import write_page

        write_page(self, Path(path), format)


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
    return results.page_of(source, size, found, recognitions, Page)

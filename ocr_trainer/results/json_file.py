"""Writer of JSON: one object per page, or one JSON line per text image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ocr_trainer.data.types import Image, Recognition
from ocr_trainer.results.writer import EXIF_ORIENTATION, Writer

if TYPE_CHECKING:
    from ocr_trainer.results.page import Page, Word


def write(page: Page) -> str:
    """Return a page as JSON: `detections` in reading order, with block and line numbers from 0.

    Without a recognizer, detections have no `text`, `text_score` and `character_scores`.
    """
    return json.dumps(record(page), indent=1, ensure_ascii=False) + "\n"


def record(page: Page) -> dict[str, Any]:
    """Return a page as dictionaries, lists, strings and numbers."""
    content: dict[str, Any] = {"image": page.source, "width": page.width, "height": page.height}
    content["exif_orientation"] = EXIF_ORIENTATION
    if page.warnings:
        content["warnings"] = page.warnings
    content["detections"] = [
        {**_detection(word), "block": b, "line": n}
        for b, block in enumerate(page.blocks)
        for n, line in enumerate(block)
        for word in line
    ]
    return content


class JsonWriter(Writer):
    """The format `json`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page)


def row(source: str, reading: Recognition) -> str:
    """Return the recognized text of a text image as one line of JSON, without a newline."""
    return json.dumps({"image": source, **_reading(reading)}, ensure_ascii=False)


def _detection(word: Word) -> dict[str, Any]:
    record = {
        "polygon": word.polygon.round(2).astype(float).tolist(),
        "score": round(word.score, 4),
    }
    return record | _reading(word.reading) if word.reading else record


def _reading(reading: Recognition) -> dict[str, Any]:
    return {
        "text": reading.text,
        "text_score": round(float(reading.score), 4),
        "character_scores": reading.scores.astype(float).round(4).tolist(),
    }

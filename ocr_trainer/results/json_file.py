"""Writer of JSON: one object per page, or one JSON line per text image."""

from __future__ import annotations

import json
from typing import Any

from ocr_trainer.data.types import Image, Recognition
from ocr_trainer.results.page import Page, Text
from ocr_trainer.results.writer import Writer


def write(page: Page) -> str:
    """Return a page as JSON: `detections` in reading order, with block and line numbers from 0.

    Without a recognizer, detections have no `text`, `text_score` and `character_scores`.
    """
    record: dict[str, Any] = {"image": page.source, "width": page.width, "height": page.height}
    if page.warnings:
        record["warnings"] = page.warnings
    record["detections"] = [
        {**_detection(text), "block": b, "line": n}
        for b, block in enumerate(page.blocks)
        for n, line in enumerate(block)
        for text in line
    ]
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


class JsonWriter(Writer):
    """The format `json`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the content of the file; see the function `write`."""
        return write(page)


def row(source: str, reading: Recognition) -> str:
    """Return the recognized text of a text image as one line of JSON, without a newline."""
    return json.dumps({"image": source, **_reading(reading)}, ensure_ascii=False)


def _detection(text: Text) -> dict[str, Any]:
    record = {
        "polygon": text.polygon.round(2).astype(float).tolist(),
        "score": round(text.score, 4),
    }
    return record | _reading(text.reading) if text.reading else record


def _reading(reading: Recognition) -> dict[str, Any]:
    return {
        "text": reading.text,
        "text_score": round(float(reading.score), 4),
        "character_scores": reading.scores.astype(float).round(4).tolist(),
    }

"""Writer of JSON: one object per page, or one JSON line per text image.

`page.schema.json` and `reading.schema.json`, beside this module, are their JSON Schemas. Keys are stable: one
that goes or changes its meaning raises `VERSION`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ocr_trainer_runtime.results.writer import EXIF_ORIENTATION, Writer
from ocr_trainer_runtime.types import Image, Recognition

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word


VERSION = 1
"""The version of what is written, as in its schemas."""


def write(page: Page) -> str:
    """Return a page as JSON: `detections` in reading order, one per row, with block and line numbers from 0.

    Without a recognizer, detections have no `text`, `text_score` and `character_scores`.
    """
    content = record(page)
    rows = [json.dumps(detection, ensure_ascii=False) for detection in content.pop("detections")]
    head = "".join(
        f" {json.dumps(key)}: {json.dumps(content[key], ensure_ascii=False)},\n" for key in content
    )
    listed = "\n  " + ",\n  ".join(rows) + "\n " if rows else ""
    return f'{{\n{head} "detections": [{listed}]\n}}\n'


def record(page: Page) -> dict[str, Any]:
    """Return a page as dictionaries, lists, strings and numbers."""
    content: dict[str, Any] = {
        "version": VERSION,
        "image": page.source,
        **_number(page.number),
        "width": page.width,
        "height": page.height,
        "exif_orientation": EXIF_ORIENTATION,
        "warnings": list(page.warnings),
    }
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


def row(source: str, reading: Recognition, number: int | None = None) -> str:
    """Return the recognized text of a text image as one line of JSON, without a newline.

    Args:
        source: Path of the image.
        reading: The text.
        number: Number of the page, if the image is one of a document.
    """
    content = {"version": VERSION, "image": source, **_number(number), **_reading(reading)}
    return json.dumps(content, ensure_ascii=False)


def _number(number: int | None) -> dict[str, int]:
    return {} if number is None else {"page": number}


def _detection(word: Word) -> dict[str, Any]:
    record = {
        # First to float64: a float32 that is rounded to 19.6 is 19.600000381 as a number of JSON.
        "polygon": word.polygon.astype(float).round(2).tolist(),
        "score": _unit(word.score),
    }
    return record | _reading(word.reading) if word.reading else record


def _reading(reading: Recognition) -> dict[str, Any]:
    return {
        "text": reading.text,
        "text_score": _unit(reading.confidence),
        "character_scores": [_unit(score) for score in reading.scores.tolist()],
    }


def _unit(score: float) -> float:
    return round(min(max(float(score), 0.0), 1.0), 4)

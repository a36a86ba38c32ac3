"""Reading UFO JSON: `images -> file name -> words -> id -> {points, transcription}`.

Only what is read is checked: `points` and `transcription` of a word, its `illegibility` where there is
one (true is "don't care"), and `img_w`, `img_h` of an image.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Ledger
from ocr_trainer.training.annotations import Labels, read_bytes

Entry = Any
"""What a document holds for one image; anything, until it is read."""


def read_document(path: Path) -> dict[str, Entry]:
    """Return the entries of a UFO file by image name.

    Raises:
        DataError: If the file cannot be read, is not JSON (with line and column), or has no `images`.
    """
    try:
        document = json.loads(read_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise DataError(f"'{path}' is not UTF-8: byte {fault.start + 1}") from fault
    except json.JSONDecodeError as fault:
        raise DataError(
            f"'{path}' is not JSON: line {fault.lineno}, column {fault.colno}: {fault.msg}"
        ) from fault
    except (
        ValueError,
        RecursionError,
    ) as fault:  # a number of thousands of digits, brackets of thousands of levels
        raise DataError(f"'{path}' is no JSON to be read: {fault}") from fault
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise DataError(f'\'{path}\' is not UFO: it has no "images": {{file name: {{"words": …}}}}')
    return images


def read_labels(entry: Entry, file: Path, image: str, ignore_untranscribed: bool, ledger: Ledger) -> Labels:
    """Read the labels of one image; a word that cannot be used goes into the ledger.

    Args:
        file: The UFO file, for the ledger.
        image: The image's name in it.
        ignore_untranscribed: Whether a word without transcription is "don't care".

    Raises:
        DataError: If the entry is no image's.
    """
    words = entry.get("words") if isinstance(entry, dict) else None
    if isinstance(entry, dict) and words is None and "words" in entry:
        words = {}  # "words": null is how some writers say that there are none
    if not isinstance(words, dict):
        raise DataError(f'\'{file}\' has no "words": {{id: {{"points": …}}}} for it')
    labels = Labels(size=_size(entry))
    for key, word in words.items():
        where = f"{image}, word '{key}': "
        try:
            points, text, illegible = _word(word)
        except ValueError as fault:
            ledger.read(labels=1)
            ledger.skip_label(file, None, f"{where}{fault}")
            continue
        ignore = illegible or (ignore_untranscribed and not text)
        labels.add(points, text, ignore, ledger, file, None, where)
    return labels


def _word(word: Any) -> tuple[list[tuple[float, float]], str, bool]:
    """Return the points and text of a word, and whether it is marked illegible."""
    if not isinstance(word, dict) or not isinstance(word.get("points"), list):
        raise ValueError("it has no list of points")
    text = word.get("transcription")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"the transcription is neither text nor null: {str(text)[:40]}")
    return [_point(point) for point in word["points"]], (text or "").strip(), word.get("illegibility") is True


def _point(point: Any) -> tuple[float, float]:
    if isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point):
        try:
            return float(point[0]), float(point[1])
        except OverflowError:
            return math.inf, math.inf  # refused with the other numbers beyond any image
    raise ValueError(f"{str(point)[:40]} is not a point [x, y]")


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    size = entry.get("img_h"), entry.get("img_w")
    return size if all(type(value) is int and value > 0 for value in size) else None

"""Reading UFO JSON: `images -> file name -> words -> id -> {points, transcription}`.

Only what is read is checked: `points` and `transcription` of a word, its `illegibility` where there is
one (true is "don't care"), and `img_w`, `img_h` of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.json_files import Word, read_words, to_points, to_size, to_text
from ocr_trainer.formats.json_streams import stream_members
from ocr_trainer.plugin import DataReport

Entry = Any
"""What a document holds for one image; anything, until it is read."""


def read_document(path: Path) -> Iterator[tuple[str, Entry]]:
    """Yield the name of each image of a UFO file, and its entry.

    Raises:
        DataError: If the file cannot be read, is not JSON (with line and column), or has no images.
    """
    name = None
    for name, entry in stream_members(path, "images"):
        yield name, entry
    if name is None:
        raise DataError(f'\'{path}\' is not UFO: it has no "images": {{file name: {{"words": …}}}}')


def read_labels(
    entry: Entry, file: Path, image: str, ignore_untranscribed: bool, data_report: DataReport
) -> Labels:
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
        raise DataError(f'{image} has no "words": {{id: {{"points": …}}}}')
    items = ((f"{image}, word '{key}': ", word) for key, word in words.items())
    labels = read_words(items, partial(_word, ignore_untranscribed), data_report, file)
    labels.size = to_size(entry.get("img_h"), entry.get("img_w"))
    return labels


def _word(ignore_untranscribed: bool, word: dict[str, Any]) -> Word:
    """Return a word; raise a ValueError if it is none."""
    text = to_text(word.get("transcription"), "transcription")
    ignore = word.get("illegibility") is True or (ignore_untranscribed and not text)
    return Word(to_points(word.get("points")), text, ignore)

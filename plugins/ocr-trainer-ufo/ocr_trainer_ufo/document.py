"""Reading UFO JSON: `images -> file name -> words -> id -> {points, transcription}`.

Only the fields in use are checked: `points`, `transcription` and the optional `illegibility` of a word
(true is "don't care"), and `img_w` and `img_h` of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import NO_TRANSCRIPTION, Labels
from ocr_trainer.formats.json_files import Word, read_words, to_points, to_size, to_text
from ocr_trainer.formats.json_streams import stream_members
from ocr_trainer.plugin import DataReport

Entry = Any
"""The JSON value of one image; not validated yet."""


def read_document(path: Path) -> Iterator[tuple[str, Entry]]:
    """Yield the name and the entry of each image of a UFO file.

    Raises:
        DataError: The file cannot be read, is not JSON (with line and column), or has no images.
    """
    name = None
    for name, entry in stream_members(path, "images"):
        yield name, entry
    if name is None:
        raise DataError(f'\'{path}\' is not UFO: it has no "images": {{file name: {{"words": …}}}}')


def read_labels(
    entry: Entry, file: Path, image: str, ignore_untranscribed: bool | None, data_report: DataReport
) -> Labels:
    """Read the labels of one image; words that cannot be used are recorded as skipped.

    Args:
        file: The UFO file, for messages.
        image: The image's name in it.
        ignore_untranscribed: Whether a word without transcription is "don't care"; None as for true.

    Raises:
        DataError: The entry has no table of words.
    """
    words = entry.get("words") if isinstance(entry, dict) else None
    if isinstance(entry, dict) and words is None and "words" in entry:
        words = {}  # some tools write "words": null for an image without words
    if not isinstance(words, dict):
        raise DataError(f'{image} has no "words": {{id: {{"points": …}}}}')
    items = ((f"{image}, word '{key}': ", word) for key, word in words.items())
    labels = read_words(items, partial(_word, ignore_untranscribed), data_report, file)
    labels.size = to_size(entry.get("img_h"), entry.get("img_w"))
    return labels


def _word(ignore_untranscribed: bool | None, word: dict[str, Any]) -> Word:
    """Return a word, or raise a ValueError if its entry is not valid."""
    text = to_text(word.get("transcription"), "transcription")
    reason = NO_TRANSCRIPTION if not text and ignore_untranscribed is not False else ""
    if word.get("illegibility") is True:
        reason = "it is illegible"
    return Word(to_points(word.get("points")), text, reason)

"""The characters of published weights."""

from __future__ import annotations

import unicodedata

from ocr_trainer.errors import CheckpointError
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork

KEY = "character"
"""The key of the characters in the metadata of a file: one per line, without the blank and the space."""


def characters_of(file: OnnxNetwork) -> str:
    """Return the characters of a recognizer's file, in the order of its classes; the space is the last one.

    Raises:
        CheckpointError: The file has none, or some of them are not one code point each, occur twice, or would
            break a line.
    """
    if KEY not in file.metadata:
        raise CheckpointError(f"it lists no characters in its metadata, under '{KEY}'")
    listed = [*file.metadata[KEY].split("\n"), " "]
    if wrong := [entry for entry in listed if len(entry) != 1 or len(f"a{entry}a".splitlines()) > 1]:
        raise CheckpointError(f"{len(wrong)} of its characters are not one each: {ascii(wrong[0])[:40]}")
    if len(set(listed)) < len(listed):
        raise CheckpointError("some of its characters occur twice")
    return "".join(listed)


def usable(characters: str) -> str:
    """Return the characters in Unicode normal form C: texts have no others, and the others are duplicates."""
    return "".join(c for c in characters if unicodedata.normalize("NFC", c) == c)

"""The charset of published weights."""

from __future__ import annotations

import unicodedata

from ocr_trainer.errors import CheckpointError
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork

KEY = "character"
"""Key of the characters in the metadata of a file: one per line, without the blank and the space."""


def characters_of(file: OnnxNetwork) -> str:
    """Return the characters of a recognizer's file, in the order of its classes; the space is the last one.

    Raises:
        CheckpointError: The file lists no characters, or an entry is not a single code point, is a line
            break, or occurs twice.
    """
    if KEY not in file.metadata:
        raise CheckpointError(f"it lists no characters in its metadata, under '{KEY}'")
    listed = [*file.metadata[KEY].split("\n"), " "]
    if wrong := [entry for entry in listed if len(entry) != 1 or len(f"a{entry}a".splitlines()) > 1]:
        raise CheckpointError(f"{len(wrong)} of its characters are not single ones: {ascii(wrong[0])[:40]}")
    if len(set(listed)) < len(listed):
        raise CheckpointError("some of its characters occur twice")
    return "".join(listed)


def usable(characters: str) -> str:
    """Return the characters that Unicode normal form C keeps; texts are normalized and have no others."""
    return "".join(c for c in characters if unicodedata.normalize("NFC", c) == c)

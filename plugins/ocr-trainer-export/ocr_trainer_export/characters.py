"""Which charsets a consumer can decode."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.tasks.exportable import OutputKind
from ocr_trainer_runtime.text.bidi import REORDERED

SPACE = " "


def why_not_ctc(subject: Subject, consumer: str) -> str | None:
    """Return why a consumer that takes the best class of each step cannot decode a recognizer, or None."""
    if subject.model.tokenizer is not None:
        return f"it has a tokenizer of its own, but {consumer} takes a character per class"
    if subject.exportable.kind is not OutputKind.ctc:
        return f"{consumer} decodes with CTC, and this model writes one character after the other"
    beam = subject.exportable.postprocessing.get("beam", 1)
    if beam != 1:
        rule = f"{consumer} takes the best class of each step: export with model.beam=1"
        return f"it decodes with model.beam={beam}, but {rule}"
    return why_not_left_to_right(subject, consumer)


def why_not_in_lines(subject: Subject, consumer: str) -> str | None:
    """Return why the characters cannot be written one per line, or None."""
    splitting = [character for character in subject.charset if len(f"a{character}b".splitlines()) > 1]
    if not splitting:
        return None
    listed = ", ".join(f"U+{ord(character):04X}" for character in splitting)
    return f"{consumer} reads the characters from lines, and would split them at {listed} of the charset"


def why_not_left_to_right(subject: Subject, consumer: str) -> str | None:
    """Return why the consumer would return texts in the wrong order, or None."""
    leftward = [c for c in subject.charset if unicodedata.bidirectional(c) in REORDERED]
    if not leftward:
        return None
    return (
        f"the charset has letters that run from right to left, such as U+{ord(leftward[0]):04X}, and "
        f"{consumer} would return texts in the order of the image"
    )


def space_last(charset: str) -> tuple[str, list[int]]:
    """Return the characters without the space, and the classes of a consumer that appends the space.

    Returns:
        The characters, and for each class of the consumer (blank, characters, space) the class of the model;
        -1 for the space if the model has none.
    """
    others, classes = charset.replace(SPACE, ""), {c: place for place, c in enumerate(charset, start=1)}
    return others, [0, *(classes[character] for character in others), classes.get(SPACE, -1)]


def inverse(order: Sequence[int], classes: int) -> np.ndarray:
    """Return the classes of a model as classes of the consumer: int64, (classes,).

    Args:
        order: The consumer's classes, as classes of the model; -1 for a class that it does not have.
        classes: The number of classes of the model.
    """
    places = np.zeros(classes, np.int64)
    for theirs, ours in enumerate(order):
        if ours >= 0:
            places[ours] = theirs
    return places

"""Decoding of recognizers that write one character after the other."""

from __future__ import annotations

import numpy as np

from ocr_trainer_runtime.types import Recognition

END = 0
"""The class that ends a text. Character k is class k + 1."""


def read_positions(
    classes: np.ndarray, scores: np.ndarray, ends: np.ndarray, charset: str
) -> list[Recognition]:
    """Return each text up to its end; its score includes the probability of the end.

    The last position can only be the end, whatever it holds.

    Args:
        classes: int, (batch, positions): the most likely class of each position.
        scores: float32, (batch, positions), 0 to 1: its probability.
        ends: float32, (batch, positions), 0 to 1: the probability of the end.
        charset: The characters.
    """
    recognitions = []
    for row, best, end in zip(classes, scores, ends, strict=True):
        stop = int(np.argmax(np.append(row[:-1], END) == END))
        text = "".join(charset[k - 1] for k in row[:stop])
        recognitions.append(Recognition(text, best[:stop], float(best[:stop].prod() * end[stop])))
    return recognitions

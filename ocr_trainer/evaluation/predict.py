"""Find and read text in images with trained models."""

from __future__ import annotations

from typing import ClassVar

from ocr_trainer.results import Page
from ocr_trainer_runtime import reader, results
from ocr_trainer_runtime.reader import Pages as Pages


class Reader(reader.Reader):
    """A detector, a recognizer or both, ready to read images. Threads can share it.

    A detector finds words, a recognizer reads images of single words or lines, and both together find and
    read the words of pages. `ocr_trainer.load` makes one.
    """

    page_type: ClassVar[type[results.Page]] = Page

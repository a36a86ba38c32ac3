"""NumPy, no torch. Pages of detected and recognized text in reading order, and writers of result files."""

from ocr_trainer_runtime.results.page import Page, Word, page_of, shown_path

__all__ = ["Page", "Word", "page_of", "shown_path"]

"""NumPy, no torch. Result files in the formats of plugins."""

from ocr_trainer.results.page import Page, Word, page_of, shown_path

__all__ = ["Page", "Word", "page_of", "shown_path"]

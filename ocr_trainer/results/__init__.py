"""NumPy, no torch. What was found and read in an image, in the order it is read and in the forms it is passed on."""

from ocr_trainer.results.page import Page, Text, page_of, shown_path

__all__ = ["Page", "Text", "page_of", "shown_path"]

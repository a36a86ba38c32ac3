"""Pages and the formats that they are written in."""

from __future__ import annotations

from ocr_trainer.results.page import Page as Page
from ocr_trainer.results.page import Word as Word

FORMATS = ("alto", "csv", "hocr", "icdar", "json", "overlay", "page", "pdf", "text", "tsv")
"""The names of the formats of result files."""

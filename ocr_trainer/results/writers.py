"""Table of the result file formats: the suffix and the writer of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

from ocr_trainer.data.types import Image
from ocr_trainer.results import hocr, json_file, page_xml, plain
from ocr_trainer.results.draw import draw_page
from ocr_trainer.results.page import Page

PRODUCER = f"ocr-trainer {version('ocr-trainer')}"

Writer = Callable[[Page, Image], str | Image]

FORMATS: dict[str, tuple[str, Writer]] = {
    "json": (".json", lambda page, image: json_file.write(page)),
    "page": (".xml", lambda page, image: page_xml.write(page, PRODUCER, datetime.now(UTC))),
    "hocr": (".hocr", lambda page, image: hocr.write(page, PRODUCER)),
    "text": (".txt", lambda page, image: plain.write(page)),
    "overlay": (".overlay.png", lambda page, image: draw_page(image, page)),
}
"""For each format name: the suffix added to the image's name, and the function that returns the content."""

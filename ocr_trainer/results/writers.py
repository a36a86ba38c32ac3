"""Table of the result file formats: the suffix and the writer of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_trainer.data.images import write_image
from ocr_trainer.data.types import Image
from ocr_trainer.errors import ConfigError, DataError, did_you_mean
from ocr_trainer.results import hocr, json_file, page_xml, plain
from ocr_trainer.results.draw import draw_page

if TYPE_CHECKING:
    from ocr_trainer.results.page import Page

PRODUCER = f"ocr-trainer {version('ocr-trainer')}"

Writer = Callable[["Page"], str | Image]

FORMATS: dict[str, tuple[str, Writer]] = {
    "json": (".json", lambda page: json_file.write(page)),
    "page": (".xml", lambda page: page_xml.write(page, PRODUCER, datetime.now(UTC))),
    "hocr": (".hocr", lambda page: hocr.write(page, PRODUCER)),
    "text": (".txt", lambda page: plain.write(page)),
    "overlay": (".overlay.png", lambda page: draw_page(page.image, page)),
}
"""For each format name: the suffix added to the image's name, and the function that returns the content."""


def check_format(name: str) -> None:
    """Refuse a format that does not exist.

    Raises:
        ConfigError: There is no such format.
    """
    if name not in FORMATS:
        guess = did_you_mean(name, FORMATS)
        raise ConfigError(f"there is no format '{name}'.{guess}\n  formats: {', '.join(FORMATS)}")


def format_of(file: Path, name: str | None = None) -> str:
    """Return the name of a format, or that of the format to which the suffix of a file belongs.

    Raises:
        ConfigError: There is no such format, or none has that suffix.
    """
    if name is not None:
        check_format(name)
        return name
    for known, (suffix, _) in FORMATS.items():
        if file.suffix.lower() == Path(f"page{suffix}").suffix:
            return known
    listed = ", ".join(f"{known} ({suffix})" for known, (suffix, _) in FORMATS.items())
    raise ConfigError(
        f"no result format has the suffix of '{file.name}': choose one with format=…\n  formats: {listed}"
    )


def write(page: Page, file: Path, name: str) -> None:
    """Write a page to a file in a format from `FORMATS`.

    Raises:
        ConfigError: The format needs recognized text, and the page has none.
        DataError: The file cannot be written.
    """
    if name == "text" and any(word.reading is None for word in page.words):
        raise ConfigError("format=text needs recognized words: add a recognizer")
    content = FORMATS[name][1](page)
    try:
        if isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        else:
            write_image(file, content)
    except OSError as error:
        raise DataError(f"the page cannot be written to {file}: {error.strerror}") from error

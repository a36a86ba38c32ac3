"""Write result files: the content of a page in a format, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from ocr_trainer_runtime.errors import ConfigError, DataError
from ocr_trainer_runtime.formats import WRITERS, Format, match
from ocr_trainer_runtime.options import FilePer
from ocr_trainer_runtime.results.writer import Writer, encode
from ocr_trainer_runtime.text.visible import visible
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page


def write_page(page: Page, path: Path, name: str | None = None) -> None:
    """Write the result file of one image.

    Args:
        page: The results.
        path: The file.
        name: The name of a format; chosen by the suffix of the file if not given.

    Raises:
        ConfigError: No format has that name or suffix, or the format needs recognized text and the page has
            none, or a package that is not installed.
        DataError: The file cannot be written.
    """
    name = name if name is not None else match(path, {name: form.suffix for name, form in WRITERS.items()})
    if name is None or name not in WRITERS:
        listed = ", ".join(f"{name} ({form.suffix})" for name, form in WRITERS.items())
        what = f"there is no format '{name}'" if name else f"no format has the suffix of '{path.name}'"
        raise ConfigError(f"{what}\n  formats: {listed}")
    form = WRITERS[name]
    if form.needs_text and not reads(page):
        raise ConfigError(f"the format '{name}' needs recognized words: load a recognizer, too")
    put(page_content(page, _writer(name, form), form.per, path.stem), path)


def reads(page: Page) -> bool:
    """Return whether a recognizer has read the words of a page."""
    return all(word.reading is not None for word in page.words)


def _writer(name: str, form: Format) -> Writer:
    module, _, attribute = form.factory.partition(":")
    try:
        writer: Writer = getattr(import_module(module), attribute)(form.options)
    except ModuleNotFoundError as error:  # of draw, which needs it as a whole
        raise ConfigError(
            f"the format '{name}' needs the package {error.name}: pip install 'ocr-trainer-runtime[images]'"
        ) from error
    return writer


def page_content(page: Page, writer: Writer, per: FilePer, stem: str) -> bytes:
    """Return the content of a file of one page; `stem` is the name of the file without suffix."""
    content = encode(writer.write(page, read_only(page.image)))
    if per is FilePer.image:
        return content
    with TemporaryDirectory() as folder:
        (part := Path(folder, "part")).write_bytes(content)
        writer.join({stem: part}, joined := io.BytesIO())
        return joined.getvalue()


def put(content: bytes, path: Path) -> None:
    """Write the file of a page.

    Raises:
        DataError: It cannot be written.
    """
    try:
        if path.exists() and not path.is_file():  # a new file would take the place of a device: /dev/stdout
            raise DataError(f"the page cannot be written to {path}: it is {_kind(path)}")
        if not path.parent.is_dir():
            raise DataError(f"the page cannot be written to {path}: there is no folder {path.parent}")
        replace(path, content)
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(visible(f"the page cannot be written to {path}: {reason}")) from error


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "no file, but a device, a pipe or a socket"


def read_only(image: Image) -> Image:
    """Return a view of an image that cannot be changed."""
    image = image.view()
    image.flags.writeable = False
    return image


def replace(path: Path, content: bytes) -> None:
    """Replace a file, in one piece."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of another once all of it is written."""
    # A name of its own: that of the file may be as long as the system allows, and threads may write at once.
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.new")
    try:
        with temporary.open("w+b") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise

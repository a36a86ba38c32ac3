"""Write the result files of many images; a writer that fails costs its own file of that image."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_trainer.data.types import Image
from ocr_trainer.errors import ConfigError, DataError, OcrTrainerError, PluginBroken, PluginError
from ocr_trainer.plugin import Config, Context, Kind, Task, WriterPlugin, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception
from ocr_trainer.plugin.metadata import Installed, installed
from ocr_trainer.results.writer import Writer, encode

if TYPE_CHECKING:
    from ocr_trainer.results.page import Page

log = logging.getLogger("ocr_trainer")

MAX_CONSECUTIVE = 10
"""After this many failures in a row, a writer is off."""
OWN = "ocr-trainer:"
"""The beginning of the full names of the core's formats."""


@dataclass
class Format:
    """A format of result files, and what became of its files."""

    plugin: Installed
    suffix: str
    writer: Writer
    failed: int = 0
    """Images that the writer failed for."""
    skipped: int = 0
    """Images that it was not asked for, because it was off."""
    consecutive: int = 0
    """Failures in a row."""
    first: str = ""
    """The first image that it failed for, and the reason."""

    @property
    def off(self) -> bool:
        """Whether the writer has failed too often."""
        return self.consecutive >= MAX_CONSECUTIVE

    def summary(self) -> str:
        """Return how many files are missing, and why."""
        missing = self.failed + self.skipped
        off = f" ({self.skipped} of them while it was off)" if self.skipped else ""
        return f"{self} wrote no file for {missing} image{'s' * (missing > 1)}{off}; first {self.first}"

    def __str__(self) -> str:
        return f"the writer '{self.plugin.name}' ({self.plugin.distribution} {self.plugin.version})"


class ResultFiles:
    """Writes the result files of images, each under another name first, so that none is ever half written.

    Args:
        out: The folder of result files; it must exist.
        formats: The options of the formats, by the names of their writer plugins.

    Raises:
        PluginError: A plugin cannot be used.
        ConfigError: Two formats have the same suffix.
    """

    def __init__(self, out: Path, formats: Mapping[str, Config]) -> None:
        self.out = out
        check_suffixes(formats)
        self.formats = [_open(name, config, out) for name, config in formats.items()]

    def write(self, name: str, page: Page) -> None:
        """Write the result files of one image.

        Args:
            name: The name of the files, without suffix.
            page: The results.

        Raises:
            DataError: The image cannot be read.
            OSError: The folder cannot be written. This is not a failure of a writer.
        """
        image = _read_only(page.image)
        for form in self.formats:
            path = self.out / f"{name}{form.suffix}"
            if form.off:
                form.skipped += 1
                path.unlink(missing_ok=True)
                continue
            try:
                content = encode(form.writer.write(page, image))
            except (Exception, SystemExit) as error:  # a plugin may raise anything
                # A file of an earlier command must not look like the result of this one.
                path.unlink(missing_ok=True)
                _record(form, page.source, error)
                continue
            form.consecutive = 0
            _replace(path, content)

    def finish(self) -> None:
        """Report what was not written.

        Raises:
            PluginBroken: A writer failed.
        """
        failed = [form for form in self.formats if form.failed]
        if failed:
            listed = "".join(f"\n  {form.summary()}" for form in failed)
            raise PluginBroken(f"some result files were not written:{listed}")


def write_page(page: Page, path: Path, name: str | None = None) -> None:
    """Write the result file of one image.

    Args:
        page: The results.
        path: The file.
        name: The name of a writer plugin; chosen by the suffix of the file if not given.

    Raises:
        ConfigError: No format has that suffix, or the format needs recognized text and the page has none.
        PluginError: The plugin cannot be used, or it fails.
        DataError: The file cannot be written.
    """
    name = name if name is not None else _format_of(path)
    if description(name).needs_text and any(word.reading is None for word in page.words):
        raise ConfigError(f"format={name} needs recognized words: add a recognizer")
    form = _open(name, description(name).config(name=name), path.parent)
    try:
        content = encode(form.writer.write(page, _read_only(page.image)))
    except OcrTrainerError:
        raise
    except (Exception, SystemExit) as error:
        raise discovery.broken(form.plugin, f"it failed: {describe_exception(error)}") from error
    try:
        _replace(path, content)
    except OSError as error:
        raise DataError(f"the page cannot be written to {path}: {error.strerror}") from error


def _format_of(path: Path) -> str:
    """Return the name of the format that a file's suffix belongs to: the longest, as in `.alto.xml`.

    Raises:
        ConfigError: No format has that suffix.
    """
    suffixes = _suffixes()
    whole = {name: s for name, s in suffixes.items() if path.name.lower().endswith(s.lower())}
    # An overlay may be called page.png.
    last = {name: s for name, s in suffixes.items() if path.suffix.lower() == Path(f"page{s}").suffix.lower()}
    if found := whole or last:
        return max(found, key=lambda name: len(found[name]))
    listed = ", ".join(f"{name.removeprefix(OWN)} ({suffix})" for name, suffix in suffixes.items())
    raise ConfigError(
        f"no result format has the suffix of '{path.name}': choose one with format=…\n  formats: {listed}"
    )


def _suffixes() -> dict[str, str]:
    """Return the suffixes of all formats, by full name; broken plugins are skipped.

    The formats of the core come first: what others install does not change what a suffix means.
    """
    found = {}
    for plugin in sorted(installed(), key=lambda plugin: f"{plugin.distribution}:" != OWN):
        if plugin.kind is Kind.writer and plugin.denial is None:
            name = f"{plugin.distribution}:{plugin.name}"
            with suppress(PluginError):
                found[name] = description(name).suffix
    return found


def _read_only(image: Image) -> Image:
    image = image.view()
    image.flags.writeable = False
    return image


def check_suffixes(formats: Iterable[str]) -> None:
    """Refuse formats that would write the same files.

    Raises:
        PluginError: A format cannot be used.
        ConfigError: Two formats have the same suffix.
    """
    taken: dict[str, str] = {}
    for name in formats:
        suffix = description(name).suffix
        # Not every file system distinguishes upper and lower case.
        other = taken.setdefault(suffix.casefold(), name)
        if other != name:
            raise ConfigError(
                f"the formats '{other}' and '{name}' both write files that end with {suffix}:"
                " write them with two commands, into two folders"
            )


def description(name: str) -> WriterPlugin:
    """Return the description of a format.

    Raises:
        PluginError: There is no such writer, or it cannot be used.
    """
    plugin = discovery.load(Kind.writer, name)
    assert isinstance(plugin, WriterPlugin)
    return plugin


def _open(name: str, config: Config, out: Path) -> Format:
    writer: Writer = build(Kind.writer, config, Context(task=Task.detection, folder=out))
    return Format(discovery.find(Kind.writer, name), description(name).suffix, writer)


def _record(form: Format, source: str, error: BaseException) -> None:
    """Record and report that a writer failed for one image."""
    reason = str(error) if isinstance(error, OcrTrainerError) else f"{type(error).__name__}: {error}"
    reason = " ".join(reason.split()).rstrip(": ")
    form.first = form.first or f"{source}: {reason}"
    form.failed += 1
    form.consecutive += 1
    log.warning("%s failed for %s: %s", form, source, reason)
    if form.off:
        log.warning("%s is now off: it failed for %d images in a row", form, MAX_CONSECUTIVE)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file, in one piece."""
    # A name of its own: that of the file may be as long as the system allows, and threads may write at once.
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.new")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise

"""The formats of result files: by name, by suffix, and open, with what became of their files."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_trainer.data.types import Image
from ocr_trainer.errors import ConfigError, OcrTrainerError, PluginError
from ocr_trainer.plugin import Config, Context, FilePer, Kind, Task, WriterPlugin, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.metadata import Installed, installed
from ocr_trainer_runtime.formats import match
from ocr_trainer_runtime.results.writer import Writer, encode

if TYPE_CHECKING:
    from ocr_trainer_runtime.results import Page

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
    per: FilePer
    writer: Writer
    failed: int = 0
    """Images that the writer failed for."""
    skipped: int = 0
    """Images that it was not asked for, because it was off."""
    consecutive: int = 0
    """Failures in a row."""
    first: str = ""
    """The first image that it failed for, and the reason."""
    target: str = ""
    """The name, without suffix, of the file that is being written."""
    parts: dict[str, Path] = field(default_factory=dict)
    """Of a file of several images, what is written so far: a file for each, by its name."""

    @property
    def off(self) -> bool:
        """Whether the writer has failed too often."""
        return self.consecutive >= MAX_CONSECUTIVE

    def content(self, page: Page, image: Image) -> bytes | None:
        """Return what the writer writes for an image; None if it fails, or is off."""
        if self.off:
            self.skipped += 1
            return None
        try:
            content = encode(self.writer.write(page, image))
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            self.record_failure(page.label, error)
            return None
        self.consecutive = 0
        return content

    def record_failure(self, source: str, error: BaseException, images: int = 1) -> None:
        """Record and report that the writer failed for an image, or for a file of several."""
        reason = str(error) if isinstance(error, OcrTrainerError) else f"{type(error).__name__}: {error}"
        reason = " ".join(reason.split()).rstrip(": ")
        self.first = self.first or f"{source}: {reason}"
        self.failed += images
        self.consecutive += 1
        log.warning("%s failed for %s: %s", self, source, reason)
        if self.off:
            log.warning("%s is now off: it failed for %d images in a row", self, MAX_CONSECUTIVE)

    def summary(self) -> str:
        """Return how many files are missing, and why."""
        missing = self.failed + self.skipped
        off = f" ({self.skipped} of them while it was off)" if self.skipped else ""
        what = "wrote no file for" if self.per is FilePer.image else "left out"
        return f"{self} {what} {missing} image{'s' * (missing > 1)}{off}; first {self.first}"

    def __str__(self) -> str:
        return f"the writer '{self.plugin.name}' ({self.plugin.distribution} {self.plugin.version})"


def open_format(name: str, config: Config, out: Path) -> Format:
    """Build the writer of a format whose files go into a folder."""
    writer: Writer = build(Kind.writer, config, Context(task=Task.detection, folder=out))
    plugin = description(name)
    return Format(discovery.find(Kind.writer, name), plugin.suffix, plugin.file_per, writer)


def description(name: str) -> WriterPlugin:
    """Return the description of a format.

    Raises:
        PluginError: There is no such writer, or it cannot be used.
    """
    plugin = discovery.load(Kind.writer, name)
    assert isinstance(plugin, WriterPlugin)
    return plugin


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


def format_of(path: Path) -> str:
    """Return the name of the format that a file's suffix belongs to: the longest, as in `.alto.xml`.

    Raises:
        ConfigError: No format has that suffix.
    """
    suffixes = _suffixes()
    if found := match(path, suffixes):
        return found
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

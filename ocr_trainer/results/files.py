"""Write the result files of many images; a writer that fails costs its own file of that image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from ocr_trainer.errors import ConfigError, OcrTrainerError, PluginBroken
from ocr_trainer.plugin import Config, FilePer, discovery
from ocr_trainer.plugin.contract import describe_exception
from ocr_trainer.results.formats import Format, check_suffixes, description, format_of, open_format
from ocr_trainer_runtime.results.files import page_content, put, read_only, reads, replace, replacing

if TYPE_CHECKING:
    from ocr_trainer_runtime.results import Page

RUN = "predictions"
"""The name, without suffix, of a file of all images."""


class ResultFiles:
    """Writes the result files of images, each under another name first, so that none is ever half written.

    As a context manager, it writes the last files of several images when it ends without an exception.

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
        self.formats = [open_format(name, config, out) for name, config in formats.items()]
        self._parts: TemporaryDirectory[str] | None = None
        self._images = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            for form in self.formats if kind is None else ():
                self._join(form)
        finally:
            if self._parts is not None:
                self._parts.cleanup()
                self._parts = None

    def write(self, name: str, page: Page, document: str | None = None) -> None:
        """Write the result files of one image.

        Args:
            name: The name of the files, without suffix.
            page: The results.
            document: The name of the files of the document that the page belongs to, for formats with a file
                per document. Pages of a document follow one another.

        Raises:
            DataError: The image cannot be read.
            OSError: The folder cannot be written. This is not a failure of a writer.
        """
        image = read_only(page.image)
        self._images += 1
        targets = {FilePer.image: name, FilePer.document: document or name, FilePer.run: RUN}
        for form in self.formats:
            if form.target != targets[form.per]:
                self._join(form)
                form.target = targets[form.per]
            content = form.content(page, image)
            path = self.out / f"{name}{form.suffix}"
            if form.per is not FilePer.image:
                if content is not None:
                    form.parts[name] = self._keep(content, form.suffix)
            elif content is not None:
                replace(path, content)
            else:
                # A file of an earlier command must not look like the result of this one.
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Write what is left of files of several images, and report what was not written.

        Raises:
            PluginBroken: A writer failed.
            OSError: The folder cannot be written.
        """
        self.__exit__(None)
        failed = [form for form in self.formats if form.failed]
        if failed:
            listed = "".join(f"\n  {form.summary()}" for form in failed)
            raise PluginBroken(f"some result files were not written:{listed}")

    def _keep(self, content: bytes, suffix: str) -> Path:
        """Keep what is written of an image until its file is complete: on disk, as there may be many."""
        if self._parts is None:
            self._parts = TemporaryDirectory(prefix=".", suffix=".parts", dir=self.out)
        part = Path(self._parts.name, f"{self._images}{suffix}")
        part.write_bytes(content)
        return part

    def _join(self, form: Format) -> None:
        """Write the file of several images that is now complete, if there is one."""
        if form.per is FilePer.image or not form.target:
            return
        name, parts = f"{form.target}{form.suffix}", form.parts
        form.target, form.parts = "", {}
        try:
            if parts:
                with replacing(self.out / name) as joined:
                    form.writer.join(parts, joined)
            else:
                (self.out / name).unlink(missing_ok=True)
        except OSError:
            raise  # a full disk is not the fault of the writer
        except (Exception, SystemExit) as error:
            (self.out / name).unlink(missing_ok=True)
            form.record_failure(name, error, len(parts))
        for part in parts.values():
            part.unlink()


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
    name = name if name is not None else format_of(path)
    if description(name).needs_text and not reads(page):
        raise ConfigError(f"format={name} needs recognized words: add a recognizer")
    form = open_format(name, description(name).config(name=name), path.parent)
    try:
        content = page_content(page, form.writer, form.per, path.stem)
    except OcrTrainerError:
        raise
    except (Exception, SystemExit) as error:
        raise discovery.broken(form.plugin, f"it failed: {describe_exception(error)}") from error
    put(content, path)

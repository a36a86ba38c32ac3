"""Contract suite for writers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ocr_trainer.plugin import Kind, WriterPlugin
from ocr_trainer.testing.command_options import CommandOptionsSuite

if TYPE_CHECKING:
    import pytest

    from ocr_trainer.results import Page

TEXTS = (
    *("one", "a<b & \"c\" 'd'>", "]]> &amp; é", "tab\there", "line\u2028end", "e\u0301", "𝔘", ""),
    *("שלום", "\x00\ufffe", "ﷺ" * 50, "0"),
)
"""Texts that some format has to escape."""


class WriterSuite(CommandOptionsSuite):
    """The contract of a writer: it writes any page, joins files, and changes neither page nor image.

    `overrides` are options of the writer, such as `delimiter=;`.
    """

    kind: ClassVar[Kind] = Kind.writer

    def test_it_is_a_writer(self, tmp_path: Path) -> None:
        """`ResultFiles` calls its method `write`."""
        from ocr_trainer.results.writer import Writer

        writer = self.build(self.context(tmp_path))
        assert isinstance(writer, Writer), (
            f"the factory must return an ocr_trainer.results.writer.Writer, not {type(writer).__name__}"
        )

    def test_it_writes_any_page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pages without detections, with texts that must be escaped, and without a recognizer."""
        import numpy as np

        from ocr_trainer.results.writer import encode
        from ocr_trainer_runtime.results import json_file

        description = self.description
        assert isinstance(description, WriterPlugin)
        monkeypatch.chdir(tmp_path)
        writer = self.build(self.context(tmp_path))
        image = np.full((300, 400, 3), 255, np.uint8)
        image.flags.writeable = False
        for page in _pages(description.needs_text):
            before = json_file.write(page)
            encode(writer.write(page, image))
            assert json_file.write(page) == before, "a writer must not modify the page: others get it, too"
        assert not list(tmp_path.iterdir()), "a writer returns the content; the core writes the file"

    def test_it_joins_files(self, tmp_path: Path) -> None:
        """A format with a file per document or run joins what it wrote of one image, or of several."""
        import io

        import numpy as np

        from ocr_trainer.plugin import FilePer
        from ocr_trainer.results.writer import Writer, encode

        description = self.description
        assert isinstance(description, WriterPlugin)
        writer = self.build(self.context(tmp_path))
        if description.file_per is FilePer.image:
            assert type(writer).join is Writer.join, "it has a method `join`: set file_per in its description"
            return
        image = np.full((300, 400, 3), 255, np.uint8)
        image.flags.writeable = False
        files = {f"page-{n}": tmp_path / f"{n}.part" for n, _ in enumerate(_pages(description.needs_text))}
        for page, path in zip(_pages(description.needs_text), files.values(), strict=True):
            path.write_bytes(encode(writer.write(page, image)))
        before = {path: path.read_bytes() for path in files.values()}
        for some in (dict([*files.items()][:1]), files):
            joined = io.BytesIO()
            writer.join(some, joined)
            assert not joined.closed, "the core closes the file"
            assert joined.getvalue(), "a file of several images must not be empty"
        left = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert left == before, "the files of single images stay as they are, and no others beside them"


def _pages(read: bool) -> list[Page]:
    """Return pages of no, one and many words; without texts only if the format can do without."""
    import numpy as np

    from ocr_trainer.data.types import Detections, Recognition
    from ocr_trainer.results import page_of

    def page(texts: tuple[str, ...], recognized: bool) -> Page:
        corners = np.array([(0, 0), (90, 4), (91, 20), (40, 24), (0, 19.5)], np.float32)
        places = [np.array((100 * (n % 4), 30 * (n // 4)), np.float32) for n in range(len(texts))]
        found = Detections([corners + place for place in places], np.full(len(texts), 0.9, np.float32))
        readings = [Recognition(t, np.full(len(t), 0.5, np.float32), 0.5) for t in texts]
        return page_of('scans/a "page".png', (300, 400), found, readings if recognized else None)

    pages = [page((), True), page(("one",), True), page(TEXTS, True)]
    return pages if read else [*pages, page((), False), page(TEXTS, False)]

"""Writer of searchable PDF: the image of each page with invisible text over it.

pikepdf (MPL-2.0) writes the file; `pip install 'ocr-trainer-runtime[pdf]'` installs it. Source of the
format: ISO 32000-1, "Document management, Portable document format".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from ocr_trainer_runtime.errors import ConfigError
from ocr_trainer_runtime.results import glyphless
from ocr_trainer_runtime.results.pdf_image import Embedded, embed
from ocr_trainer_runtime.results.text_layer import Codes, glyph_of, operators
from ocr_trainer_runtime.results.writer import PRODUCER, Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    import pikepdf

    from ocr_trainer_runtime.results.page import Page

POINTS = 72
"""Units of a PDF per inch."""
MAX_SIDE = 14_400
"""Longest side of a page in points (annex C). Larger images are scaled down to it."""
OPEN_AT_ONCE = 100
"""Number of files joined in one step. Each stays open until the result is written."""

TURNS = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}
"""For each EXIF orientation, the matrix that turns the unit square of the stored image; y points up."""


class PdfWriter(Writer):
    """The format `pdf`."""

    def __init__(self, config: Any, context: Any = None) -> None:
        super().__init__(config, context)
        try:
            import pikepdf  # noqa: F401 - fail now, not at the first page
        except ImportError as error:
            raise ConfigError(
                "the format 'pdf' needs the package pikepdf: pip install 'ocr-trainer-runtime[pdf]'"
            ) from error

    def write(self, page: Page, image: Image) -> bytes:
        """Return a PDF of one page."""
        import pikepdf

        config = self.config
        points = min(POINTS / (page.dpi or config.dpi), MAX_SIDE / max(page.width, page.height))
        size = page.width * points, page.height * points
        codes = Codes()
        text = operators(page, points, codes)
        embedded = embed(page, image, None if config.lossless else config.quality)
        turn = enumerate(TURNS.get(embedded.orientation, TURNS[1]))
        matrix = " ".join(f"{number * size[place % 2]:.3f}" for place, number in turn)
        with pikepdf.new() as pdf:
            sheet = pdf.add_blank_page(page_size=size)
            sheet.obj.Contents = pdf.make_stream(f"q {matrix} cm /Image Do Q\n{text}\n".encode("ascii"))
            sheet.obj.Resources = pikepdf.Dictionary(
                XObject=pikepdf.Dictionary(Image=_image(pdf, embedded)),
                Font=pikepdf.Dictionary(F=_font(pdf, codes)),
            )
            _save(pdf, file := io.BytesIO())
        return file.getvalue()

    def join(self, files: Mapping[str, Path], joined: BinaryIO) -> None:
        """Write a PDF of the pages of all files."""
        _join(list(files.values()), joined)


def _join(paths: Sequence[Path], joined: BinaryIO) -> None:
    import pikepdf

    with ExitStack() as stack:
        if len(paths) > OPEN_AT_ONCE:
            folder = Path(stack.enter_context(TemporaryDirectory(dir=paths[0].parent)))
            groups = [paths[start : start + OPEN_AT_ONCE] for start in range(0, len(paths), OPEN_AT_ONCE)]
            paths = [folder / f"{number}.pdf" for number in range(len(groups))]
            for path, group in zip(paths, groups, strict=True):
                with path.open("w+b") as file:
                    _join(group, file)
        pdf = stack.enter_context(pikepdf.new())
        for path in paths:
            pdf.pages.extend(stack.enter_context(pikepdf.open(path)).pages)
        _save(pdf, joined)


def _save(pdf: pikepdf.Pdf, file: BinaryIO) -> None:
    pdf.docinfo["/Producer"] = PRODUCER
    pdf.save(file, deterministic_id=True)  # equal results give equal files


def _image(pdf: pikepdf.Pdf, embedded: Embedded) -> pikepdf.Object:
    """Return an image as an object of a PDF."""
    from pikepdf import Dictionary, Name

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return Dictionary({key: convert(entry) for key, entry in value.items()})
        return Name(value) if isinstance(value, str) else value

    return pdf.make_stream(embedded.data, convert(embedded.entries))


def _font(pdf: pikepdf.Pdf, codes: Codes) -> pikepdf.Object:
    """Return the font `glyphless` as an object of a PDF, with codes of two bytes (9.7, composite fonts)."""
    from pikepdf import Array, Dictionary, Name

    glyphs = [0, *map(glyph_of, codes.units)]
    descriptor = Dictionary(
        Type=Name.FontDescriptor,
        FontName=Name.GlyphLessFont,
        FontBBox=[0, 0, glyphless.EM, glyphless.EM],
        Flags=4,  # symbolic: its characters are not from a standard set
        ItalicAngle=0,
        Ascent=glyphless.EM,
        Descent=0,
        CapHeight=glyphless.EM,
        StemV=0,
        FontFile2=pdf.make_stream(glyphless.font()),
    )
    font = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=Name.GlyphLessFont,
        CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
        FontDescriptor=pdf.make_indirect(descriptor),
        W=Array([0, Array([glyphless.WIDTHS[glyph] for glyph in glyphs])]),
        CIDToGIDMap=pdf.make_stream(struct.pack(f">{len(glyphs)}H", *glyphs)),
    )
    return pdf.make_indirect(
        Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name.GlyphLessFont,
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(font)]),
            ToUnicode=pdf.make_stream(codes.to_unicode().encode("ascii")),
        )
    )

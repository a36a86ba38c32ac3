"""Descriptions of the built-in formats of result files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ocr_trainer.plugin import Config, WriterPlugin, option
from ocr_trainer_runtime.formats import WRITERS, CsvOptions, IcdarOptions, PdfOptions


@dataclass
class FormatConfig(Config):
    """A format without options."""


@dataclass
class PdfConfig(Config):
    """Searchable PDF."""

    quality: int = option(PdfOptions.quality, at_least=1, at_most=100)
    """JPEG quality of compressed images. JPEG files are embedded unchanged."""
    lossless: bool = PdfOptions.lossless
    """Compress images without loss, except JPEG files; `quality` then has no effect."""
    dpi: float = option(PdfOptions.dpi, at_least=10, at_most=2400)
    """Resolution of images in pixels per inch, which sets the page size. Pages of PDFs keep their size."""


@dataclass
class CsvConfig(Config):
    """CSV, for all images in one file."""

    formulas: bool = CsvOptions.formulas
    """Keep texts that a spreadsheet would run as formulas. By default, they get an apostrophe in front."""


@dataclass
class IcdarConfig(Config):
    """A submission to the ICDAR challenges, for all images in one file."""

    decimals: int = option(IcdarOptions.decimals, at_least=0, at_most=4)
    """Decimals of coordinates. The challenges read only whole pixels."""
    confidence: bool = IcdarOptions.confidence
    """Write the detector's confidence before each text, for average precision."""


def _of(name: str) -> dict[str, Any]:
    """Return what the runtime says about a format."""
    form = WRITERS[name]
    return {
        "factory": form.factory,
        "suffix": form.suffix,
        "needs_text": form.needs_text,
        "file_per": form.per,
    }


json = WriterPlugin(
    api=1,
    summary="JSON: polygons, texts and scores in reading order",
    config=FormatConfig,
    **_of("json"),
)

text = WriterPlugin(
    api=1,
    summary="plain text: a row per line of the page",
    config=FormatConfig,
    **_of("text"),
)

page = WriterPlugin(
    api=1,
    summary="PAGE XML, schema 2019-07-15: regions, lines and words",
    config=FormatConfig,
    **_of("page"),
)

alto = WriterPlugin(
    api=1,
    summary="ALTO 4.4: blocks, lines, strings and glyphs",
    config=FormatConfig,
    **_of("alto"),
)

hocr = WriterPlugin(
    api=1,
    summary="hOCR 1.2: areas, lines and words in XHTML",
    config=FormatConfig,
    **_of("hocr"),
)

tsv = WriterPlugin(
    api=1,
    summary="TSV with the columns of Tesseract",
    config=FormatConfig,
    **_of("tsv"),
)

pdf = WriterPlugin(
    api=1,
    summary="searchable PDF: the image with invisible text over it",
    config=PdfConfig,
    **_of("pdf"),
)

csv = WriterPlugin(
    api=1,
    summary="CSV: a row per text, for all images in one file",
    config=CsvConfig,
    **_of("csv"),
)

icdar = WriterPlugin(
    api=1,
    summary="a zip file for the ICDAR challenge sites: res_IMAGE.txt per image",
    config=IcdarConfig,
    **_of("icdar"),
)

overlay = WriterPlugin(
    api=1,
    summary="the image with the polygons, and the texts beside it",
    config=FormatConfig,
    **_of("overlay"),
)

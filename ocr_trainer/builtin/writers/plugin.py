"""Descriptions of the built-in formats of result files."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import Config, FilePer, WriterPlugin, option


@dataclass
class FormatConfig(Config):
    """A format without options."""


@dataclass
class PdfConfig(Config):
    """Searchable PDF."""

    quality: int = option(90, at_least=1, at_most=100)
    """JPEG quality of images that are no JPEG files, which are embedded as they are."""
    lossless: bool = False
    """Whether to compress images that are no JPEG files without loss; then `quality` has no effect."""
    dpi: float = option(300, at_least=10, at_most=2400)
    """Pixels per inch that images are taken to have. Pages of PDFs keep their size."""


@dataclass
class CsvConfig(Config):
    """CSV, of all images in one file."""

    formulas: bool = False
    """Leave texts that a spreadsheet would run as formulas; by default, they get an apostrophe in front."""


@dataclass
class IcdarConfig(Config):
    """A submission to the ICDAR challenges, of all images in one file."""

    decimals: int = option(0, at_least=0, at_most=4)
    """Decimals of coordinates. The challenges read whole pixels alone."""
    confidence: bool = False
    """Whether to write the detector's confidence before each text, for average precision."""


json = WriterPlugin(
    api=1,
    summary="JSON: polygons, texts and scores in reading order",
    config=FormatConfig,
    factory="ocr_trainer.results.json_file:JsonWriter",
    suffix=".json",
)

text = WriterPlugin(
    api=1,
    summary="plain text: a row per line of the page",
    config=FormatConfig,
    factory="ocr_trainer.results.plain:TextWriter",
    suffix=".txt",
    needs_text=True,
)

page = WriterPlugin(
    api=1,
    summary="PAGE XML, schema 2019-07-15: regions, lines and words",
    config=FormatConfig,
    factory="ocr_trainer.results.page_xml:PageXmlWriter",
    suffix=".xml",
)

alto = WriterPlugin(
    api=1,
    summary="ALTO 4.4: blocks, lines, strings and glyphs",
    config=FormatConfig,
    factory="ocr_trainer.results.alto:AltoWriter",
    suffix=".alto.xml",
)

hocr = WriterPlugin(
    api=1,
    summary="hOCR 1.2: areas, lines and words in XHTML",
    config=FormatConfig,
    factory="ocr_trainer.results.hocr:HocrWriter",
    suffix=".hocr",
)

tsv = WriterPlugin(
    api=1,
    summary="TSV with the columns of Tesseract",
    config=FormatConfig,
    factory="ocr_trainer.results.tsv:TsvWriter",
    suffix=".tsv",
)

pdf = WriterPlugin(
    api=1,
    summary="searchable PDF: the image with invisible text over it",
    config=PdfConfig,
    factory="ocr_trainer.results.pdf:PdfWriter",
    suffix=".pdf",
    needs_text=True,
    file_per=FilePer.document,
)

csv = WriterPlugin(
    api=1,
    summary="CSV: a row per text, of all images in one file",
    config=CsvConfig,
    factory="ocr_trainer.results.csv_file:CsvWriter",
    suffix=".csv",
    file_per=FilePer.run,
)

icdar = WriterPlugin(
    api=1,
    summary="a zip file for the sites of the ICDAR challenges: res_IMAGE.txt per image",
    config=IcdarConfig,
    factory="ocr_trainer.results.icdar:IcdarWriter",
    suffix=".zip",
    file_per=FilePer.run,
)

overlay = WriterPlugin(
    api=1,
    summary="the image with the polygons, and the texts beside it",
    config=FormatConfig,
    factory="ocr_trainer.results.draw:OverlayWriter",
    suffix=".overlay.png",
)

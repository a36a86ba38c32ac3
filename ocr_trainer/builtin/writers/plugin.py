"""Descriptions of the built-in formats of result files."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import Config, WriterPlugin


@dataclass
class FormatConfig(Config):
    """A format without options."""


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

overlay = WriterPlugin(
    api=1,
    summary="the image with the polygons, and the texts beside it",
    config=FormatConfig,
    factory="ocr_trainer.results.draw:OverlayWriter",
    suffix=".overlay.png",
)

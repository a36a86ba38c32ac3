"""Descriptions of `page_xml` and `alto_xml`; importing them loads no reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task, option
from ocr_trainer.plugin.options import PairedConfig


class Level(Enum):
    """The kind of element that becomes a label."""

    region = "region"
    line = "line"
    word = "word"


class Match(Enum):
    """How an XML file and its image are matched."""

    named = "named"
    stem = "stem"


class Unit(Enum):
    """The units of ALTO: pixels, tenths of a millimeter, 1/1200 inch."""

    pixel = "pixel"
    mm10 = "mm10"
    inch1200 = "inch1200"


@dataclass
class XmlConfig(PairedConfig):
    """The options of both formats."""

    level: Level = Level.line
    """Elements to detect: text regions, lines or words; a recognizer can read lines or words."""

    match: Match = Match.named
    """The image of an XML file: the one that it names (named), or the one with its own name (stem)."""

    ignore_untranscribed: bool = False
    """Treat outlines without transcription as "don't care"; if false, they are text to detect."""


@dataclass
class PageXmlConfig(XmlConfig):
    """The options of `page_xml`."""


@dataclass
class AltoXmlConfig(XmlConfig):
    """The options of `alto_xml`."""

    dpi: float | None = option(None, above=0)
    """Resolution of the images in dots per inch, for files in `mm10` or `inch1200` that do not give the size
    of their page; pages that do are scaled to their images."""

    unit: Unit | None = None
    """Unit of files that state none; if null, their pages are scaled to their images."""


def _signatures(folder: str, root_element: str) -> Iterator[FormatSignature]:
    for home in ("", f"{folder}/", "annotations/", "gt/", "xml/", "train/", f"train/{folder}/"):
        yield FormatSignature(f"{home}*.xml", rf"<(?:\w+:)?{root_element}[\s>]")


page_xml = DatasetPlugin(
    api=1,
    summary="PAGE XML (Transkribus, eScriptorium, OCR-D): regions, lines or words as polygons",
    config=PageXmlConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_xml.page:PageXml",
    signatures=tuple(_signatures("page", "PcGts")),
)

alto_xml = DatasetPlugin(
    api=1,
    summary="ALTO XML, versions 1 to 4: blocks, lines or words as polygons or boxes",
    config=AltoXmlConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_xml.alto:AltoXml",
    signatures=tuple(_signatures("alto", "alto")),
)

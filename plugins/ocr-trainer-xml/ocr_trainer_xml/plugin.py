"""What `page_xml` and `alto_xml` are, in light lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task, option
from ocr_trainer.plugin.options import PairedConfig


class Level(Enum):
    """What a label is."""

    region = "region"
    line = "line"
    word = "word"


class Match(Enum):
    """How an XML file and its image are matched."""

    named = "named"
    stem = "stem"


@dataclass
class XmlConfig(PairedConfig):
    """The options of both formats."""

    level: Level = Level.line
    """What to find: text regions, their lines or their words; a recognizer reads the latter two."""

    match: Match = Match.named
    """Which image a file belongs to: the one that it names, or the one of its own name without suffix."""

    ignore_untranscribed: bool = False
    """Take an outline without transcription as "don't care"; otherwise it is text to detect."""


@dataclass
class PageXmlConfig(XmlConfig):
    """The options of `page_xml`."""


@dataclass
class AltoXmlConfig(XmlConfig):
    """The options of `alto_xml`."""

    dpi: float | None = option(None, above=0)
    """The resolution of the images, for files that measure in `mm10` or `inch1200`; pixels need none."""


def _signs(folder: str, root_element: str) -> Iterator[FormatSignature]:
    for home in ("", f"{folder}/", "annotations/", "gt/", "xml/", "train/", f"train/{folder}/"):
        yield FormatSignature(f"{home}*.xml", rf"<(?:\w+:)?{root_element}[\s>]")


page_xml = DatasetPlugin(
    api=1,
    summary="PAGE XML (Transkribus, eScriptorium, OCR-D): regions, lines or words as polygons",
    config=PageXmlConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_xml.page:PageXml",
    signatures=tuple(_signs("page", "PcGts")),
)

alto_xml = DatasetPlugin(
    api=1,
    summary="ALTO XML, versions 1 to 4: blocks, lines or words as polygons or boxes",
    config=AltoXmlConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_xml.alto:AltoXml",
    signatures=tuple(_signs("alto", "alto")),
)

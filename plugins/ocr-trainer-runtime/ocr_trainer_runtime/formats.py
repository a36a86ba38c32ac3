"""Light. The formats of result files: their names, suffixes, writers and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_trainer_runtime.options import FilePer


@dataclass(frozen=True)
class PdfOptions:
    """Searchable PDF."""

    quality: int = 90
    """JPEG quality of compressed images. JPEG files are embedded unchanged."""
    lossless: bool = False
    """Whether to compress images without loss, except JPEG files."""
    dpi: float = 300
    """Resolution of images in pixels per inch, which sets the page size."""


@dataclass(frozen=True)
class CsvOptions:
    """CSV, for all images in one file."""

    formulas: bool = False
    """Whether to keep texts that a spreadsheet would run as formulas."""


@dataclass(frozen=True)
class IcdarOptions:
    """A submission to the ICDAR challenges, for all images in one file."""

    decimals: int = 0
    """Decimals of coordinates."""
    confidence: bool = False
    """Whether to write the detector's confidence before each text."""


@dataclass(frozen=True)
class Format:
    """A format of result files."""

    suffix: str
    writer: str
    """Module and class of its writer, below this package, as in `json_file:JsonWriter`."""
    needs_text: bool = False
    """Whether the format needs a recognizer."""
    per: FilePer = FilePer.image
    """Whether a file is for an image, a document or a run."""
    options: Any = None
    """The options of the writer."""

    @property
    def factory(self) -> str:
        """Module and class of the writer."""
        return f"ocr_trainer_runtime.results.{self.writer}"


WRITERS: Mapping[str, Format] = {
    "alto": Format(".alto.xml", "alto:AltoWriter"),
    "csv": Format(".csv", "csv_file:CsvWriter", per=FilePer.run, options=CsvOptions()),
    "hocr": Format(".hocr", "hocr:HocrWriter"),
    "icdar": Format(".zip", "icdar:IcdarWriter", per=FilePer.run, options=IcdarOptions()),
    "json": Format(".json", "json_file:JsonWriter"),
    "overlay": Format(".overlay.png", "draw:OverlayWriter"),
    "page": Format(".xml", "page_xml:PageXmlWriter"),
    "pdf": Format(".pdf", "pdf:PdfWriter", needs_text=True, per=FilePer.document, options=PdfOptions()),
    "text": Format(".txt", "plain:TextWriter", needs_text=True),
    "tsv": Format(".tsv", "tsv:TsvWriter"),
}
"""The formats by name."""
FORMATS = tuple(WRITERS)
"""The names of the formats."""


def match(path: Path, suffixes: Mapping[str, str]) -> str | None:
    """Return the format with the longest suffix that a file name has, such as `.alto.xml`, or None.

    Args:
        path: The file.
        suffixes: The suffixes by the names of formats.
    """
    whole = {name: s for name, s in suffixes.items() if path.name.lower().endswith(s.lower())}
    # An overlay may be called page.png.
    last = {name: s for name, s in suffixes.items() if path.suffix.lower() == Path(f"page{s}").suffix.lower()}
    found = whole or last
    return max(found, key=lambda name: len(found[name])) if found else None

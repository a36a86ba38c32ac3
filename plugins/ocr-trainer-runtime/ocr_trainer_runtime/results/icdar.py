"""Writer of submissions to the ICDAR challenges: a zip file with a `res_IMAGE.txt` per image, a row per text.

The rows have the format of Incidental Scene Text 2015: x1,y1,…,x4,y4 clockwise from the top left, and the
text. Source: rrc.cvc.uab.es, "Incidental Scene Text", tasks 1 and 4. Outlines with more corners are written
with all of them, as in Total-Text. `ocr-train score` reads these files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from ocr_trainer_runtime.results.tsv import SEPARATORS
from ocr_trainer_runtime.results.writer import Writer
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page, Word


def write(page: Page, decimals: int = 0, confidence: bool = False) -> str:
    """Return the rows of a page; without a recognizer, they have no text.

    Args:
        page: Results for an image.
        decimals: Decimals of coordinates. The scripts of the challenges read only whole pixels.
        confidence: Write the detector's confidence before the text, for average precision.
    """
    return "".join(f"{_row(word, decimals, confidence)}\n" for word in page.words)


class IcdarWriter(Writer):
    """The format `icdar`."""

    def write(self, page: Page, image: Image) -> str:
        """Return the rows of a page; see the function `write`."""
        config: Any = self.config
        return write(page, config.decimals, config.confidence)

    def join(self, files: Mapping[str, Path], joined: BinaryIO) -> None:
        """Write a zip file with the rows of all images."""
        with ZipFile(joined, "w", ZIP_DEFLATED) as archive:
            for name, path in files.items():
                # ZipInfo has a fixed date, so equal results give equal files.
                member = ZipInfo(f"res_{name}.txt")
                member.compress_type = ZIP_DEFLATED
                archive.writestr(member, path.read_bytes())


def _row(word: Word, decimals: int, confidence: bool) -> str:
    points = np.asarray(word.polygon, dtype=np.float64).round(decimals) + 0.0  # no minus zero
    fields = [f"{number:.{decimals}f}" for number in points.ravel()]
    if confidence:
        fields.append(f"{min(max(float(word.score), 0.0), 1.0):.4f}")
    if word.reading is not None:
        fields.append(_quoted(SEPARATORS.sub(" ", word.text)))
    return ",".join(fields)


def _quoted(text: str) -> str:
    """Return a text in quotes if it has some: readers take quotes around a text for part of the format."""
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return text

"""The invisible text on a page of a searchable PDF: the place of each text, and their order.

Texts are in reading order. The characters of a text are in visual order, from left to right as they are
drawn; programs that extract text reverse Hebrew and Arabic, as they do with visible text. A space between two
texts of a line makes these programs separate them.

The exact positions of characters are not known. They are spaced evenly over the length of their text, and
wide ones (as in Chinese) get twice the width of others.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ocr_trainer_runtime.geometry import extent
from ocr_trainer_runtime.recognition.curved import Band, find_band, normalize_outline
from ocr_trainer_runtime.results import glyphless
from ocr_trainer_runtime.results.reading_order import text_angle
from ocr_trainer_runtime.text.bidi import visual_order

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page
    from ocr_trainer_runtime.types import Polygon

SPACE = " "
MIN_SPACE = 0.2
"""Smallest width of the space after a text, in heights of the text. poppler ignores spaces below 0.15."""
MIN_ASPECT = 2.0
"""Smallest aspect ratio at which the outline of a text determines its direction."""
MAX_TURN = math.cos(math.radians(30))
"""Cosine of the angle to most text of the page that needs no such outline."""
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line breaks and surrogates."""


class Codes:
    """The codes of a font: one for each character with its combining marks."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def encode(self, units: Sequence[str]) -> str:
        """Return units as the hexadecimal codes of a PDF string, two bytes each."""
        return "".join(f"{self._codes.setdefault(unit, len(self._codes) + 1):04x}" for unit in units)

    @property
    def units(self) -> list[str]:
        """The units in the order of their codes, which begin with 1."""
        return list(self._codes)

    def to_unicode(self) -> str:
        """Return the CMap that maps the codes to Unicode (ISO 32000-1, 9.10.3)."""
        rows = [f"<{code:04x}> <{unit.encode('utf-16-be').hex()}>" for unit, code in self._codes.items()]
        # No more than 100 entries are allowed in one section.
        sections = (rows[start : start + 100] for start in range(0, len(rows), 100))
        mapped = "".join(
            f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar\n" for part in sections
        )
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            f"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n{mapped}"
            "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        )


class _Place(NamedTuple):
    """Where a text stands, in points, with y upwards."""

    start: np.ndarray
    """Lower left corner of the text, (2,)."""
    along: np.ndarray
    """Unit vector in which the text runs, (2,)."""
    length: float
    height: float

    @property
    def end(self) -> np.ndarray:
        """Lower right corner of the text."""
        return np.asarray(self.start + self.length * self.along)


def operators(page: Page, points: float, codes: Codes) -> str:
    """Return the operators of a content stream that show the texts of a page, invisibly, in the font `/F`.

    Args:
        page: The results.
        points: Size of a pixel in points.
        codes: The codes of the font; receives those of the page's characters.
    """
    angle = text_angle([word.polygon for word in page.words]) if page.words else 0.0
    rows: list[str] = []
    for line in (line for block in page.blocks for line in block):
        words = [word for word in line if word.text]
        texts = [_visual_units(CONTROL.sub(SPACE, word.text)) for word in words]
        bands = [_band(word.polygon, len(text), angle) for word, text in zip(words, texts, strict=True)]
        rows += _line(texts, [_place(band, page.height, points) for band in bands], codes)
    return "\n".join(["BT", "3 Tr", *rows, "ET"])


def glyph_of(unit: str) -> int:
    """Return the glyph of a character with its marks."""
    return glyphless.WIDE if unicodedata.east_asian_width(unit[0]) in "WF" else glyphless.NARROW


def _line(texts: Sequence[list[str]], places: Sequence[_Place], codes: Codes) -> Iterator[str]:
    """Yield the operators of a line."""
    for units, place, after in zip(texts, places, [*places[1:], None], strict=True):
        if after is None:
            yield _show(units, place, codes)
        else:
            text, space = _with_space(place, after)
            yield _show(units, text, codes)
            yield _show([SPACE], space, codes)


def _with_space(place: _Place, after: _Place) -> tuple[_Place, _Place]:
    """Return the places of a text and of the space between it and the next, which may stand at its left.

    Where there is no room for a space, the text gives up some of its own.
    """
    middle = (after.start + after.end - place.start - place.end) / 2
    leftward = middle @ place.along < 0
    gap = float((place.start - after.end if leftward else after.start - place.end) @ place.along)
    width = max(gap, MIN_SPACE * place.height)
    taken = min(width - gap, place.length / 2)
    text = place._replace(length=place.length - taken)
    if leftward:
        text = text._replace(start=place.start + taken * place.along)
        return text, text._replace(start=text.start - width * text.along, length=width)
    return text, text._replace(start=text.end, length=width)


def _show(units: Sequence[str], place: _Place, codes: Codes) -> str:
    """Return the operators that show units stretched over a place."""
    natural = sum(glyphless.WIDTHS[glyph_of(unit)] for unit in units) / glyphless.EM * place.height
    (x, y), (cos, sin) = place.start, place.along
    matrix = " ".join(f"{number:.5f}" for number in (cos, sin, -sin, cos))
    return (
        f"/F {place.height:.3f} Tf {100 * place.length / natural:.3f} Tz"
        f" {matrix} {x:.3f} {y:.3f} Tm <{codes.encode(units)}> Tj"
    )


def _band(polygon: Polygon, units: int, angle: float) -> Band:
    """Return the upper and lower edge of a text.

    They are those that the recognizer saw. But where the outline hardly says how the text runs, as that of a
    single character or of a square, it runs as most text of the page does.

    Args:
        polygon: (points, 2), in pixels.
        units: Number of characters of the text.
        angle: Angle of most text of the page, clockwise in radians.
    """
    along = np.array([math.cos(angle), math.sin(angle)])
    try:
        band, _ = find_band(normalize_outline(polygon, ordered=False))
    except ValueError:  # it has no area
        band = None
    if band is not None:
        chord = _chord(band)
        height, width = band.size
        as_page = chord @ along > MAX_TURN * math.hypot(*chord)
        if as_page or (units > 1 and width >= MIN_ASPECT * height):
            return band
    turn = np.array([along, [-along[1], along[0]]])
    (left, top), (right, bottom) = extent(polygon @ turn.T)
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]]) @ turn
    return Band(corners[:2], corners[2:])


def _chord(band: Band) -> np.ndarray:
    """Return the vector from the beginning to the end of a text, (2,)."""
    return np.asarray(band.top[-1] - band.top[0] + band.bottom[-1] - band.bottom[0]) / 2


def _place(band: Band, page_height: int, points: float) -> _Place:
    """Return where a text stands; one that is curved stands along its chord."""
    chord = _chord(band)
    length = float(np.hypot(*chord))
    along = np.array([chord[0], -chord[1]]) / length if length else np.array([1.0, 0.0])
    # A point is the center of its pixel.
    x, y = band.bottom[0] + 0.5
    start = np.array([x, page_height - y]) * points
    least = points / 2
    height = float(band.heights.mean())
    return _Place(start, along, max(length * points, least), max(height * points, least))


def _visual_units(text: str) -> list[str]:
    """Return the characters of a text with their combining marks, from left to right."""
    units: list[str] = []
    for place in visual_order(text):
        if units and unicodedata.category(text[place]) in ("Mn", "Me"):
            units[-1] += text[place]
        else:
            units.append(text[place])
    return units

"""The rows that the ICDAR challenges exchange: an outline, perhaps a confidence, perhaps a text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer.formats.rows import NUMBER, box, excerpt

COORDINATES = {"ltrb": 4, "quad": 8, "poly": 0}
"""How many numbers an outline has: an upright box, four corners, or any even number."""

QUOTED = re.compile(r'"(.*)"')
LOOKED_AT = 2000
"""So many rows, spread over all files, tell the form."""


class Row(NamedTuple):
    """What a row says."""

    polygon: Polygon
    """float64, (points, 2); any number of points but none."""
    confidence: float
    """1 where the form has none."""
    text: str
    """Empty where the form has none."""


@dataclass(frozen=True)
class Form:
    """A form of rows, written as `quad`, `ltrb+text`, `poly+confidence+text` and the like."""

    shape: str
    """A key of `COORDINATES`."""
    confidence: bool = False
    text: bool = False

    def __str__(self) -> str:
        return self.shape + "+confidence" * self.confidence + "+text" * self.text

    def fits(self, fields: Sequence[str], numbers: int) -> bool:
        """Tell whether a row is just what one expects: as many numbers as needed, a text that is none.

        Args:
            fields: What stands between the commas.
            numbers: How many of them, at the beginning, are numbers.
        """
        coordinates, rest = numbers - self.confidence, fields[numbers:]
        count = COORDINATES[self.shape]
        if not (coordinates == count if count else coordinates >= 6 and coordinates % 2 == 0):
            return False
        if self.confidence and not 0 <= float(fields[numbers - 1]) <= 1:
            return False
        return bool(rest) if self.text else not "".join(rest).strip()

    def parse(self, row: str) -> Row:
        """Parse a row; spaces around its parts and quotes around its text do not matter.

        Raises:
            ValueError: If it is not of this form; says why.
        """
        fields = row.split(",")
        end = (COORDINATES[self.shape] or self._coordinates(fields)) + self.confidence
        if len(fields) < end or end - self.confidence < 2:
            raise ValueError(f"not {self}: {excerpt(row)}")
        try:
            numbers = [float(field) for field in fields[:end]]
        except ValueError:
            raise ValueError(f"not {self}: {excerpt(row)}") from None
        if not math.isfinite(sum(numbers)):
            raise ValueError(f"not all of its numbers are finite: {excerpt(row)}")
        rest = ",".join(fields[end:]).strip()
        if rest and not self.text:
            raise ValueError(f"not {self}, there is more in the row: {excerpt(row)}")
        confidence = numbers.pop() if self.confidence else 1.0
        points = np.array(self._outline(numbers), dtype=np.float64).reshape(-1, 2)
        return Row(points, confidence, unquoted(rest))

    def _outline(self, numbers: list[float]) -> Sequence[tuple[float, float]] | list[float]:
        if self.shape != "ltrb":
            return numbers
        left, top, right, bottom = numbers
        if left > right or top > bottom:
            raise ValueError(f"the box ends before it begins: {left:g},{top:g},{right:g},{bottom:g}")
        return box(left, top, right, bottom)

    def _coordinates(self, fields: Sequence[str]) -> int:
        """Return how many of the fields are the coordinates of a polygon.

        A text may begin with numbers, or be one, so with a text the coordinates end where they are
        even in number and something is left.
        """
        numbers = _leading(fields) - self.confidence
        if self.text:
            numbers -= numbers + self.confidence == len(fields)
        elif numbers % 2:
            raise ValueError(f"{numbers} coordinates do not form points")
        return numbers - numbers % 2


FORMS = tuple(
    Form(shape, sure, text) for shape in COORDINATES for sure in (False, True) for text in (False, True)
)


def form_of(word: str) -> Form:
    """Return the form that a word names.

    Raises:
        ConfigError: If there is none.
    """
    forms = {str(form): form for form in FORMS}
    if word not in forms:
        raise ConfigError(
            f"there is no form '{word}'.{did_you_mean(word, forms)}\n  forms: {', '.join(forms)}"
        )
    return forms[word]


def detect(rows: Sequence[str], confidence: bool) -> Form:
    """Return the form that most rows fit.

    What fits `quad` fits `poly`, too: `poly` it is if many rows have other numbers of points. A few
    may be texts such as `1,968 won`, whose beginning looks like another point.

    Args:
        rows: Of all files; not empty.
        confidence: Whether there may be confidences.

    Raises:
        ValueError: If it cannot be told; says what was seen.
    """
    fields = [row.split(",") for row in rows[:: max(1, len(rows) // LOOKED_AT)]]
    seen = [(row, _leading(row)) for row in fields]
    forms = [form for form in FORMS if confidence or not form.confidence]
    fitting = {form: sum(form.fits(*row) for row in seen) for form in forms}
    best = max(fitting, key=lambda form: fitting[form])
    quad = Form("quad", best.confidence, best.text)
    others = fitting[best] - fitting[quad]
    if best.shape == "poly" and best.text and others <= 0.05 * len(seen):
        best = quad
    elif best.shape == "poly" and best.text and others <= 0.2 * len(seen):
        raise ValueError(f"{fitting[quad]} of {len(seen)} rows read as {quad}, {fitting[best]} as {best}")
    if fitting[best] < 0.5 * len(seen):
        some = f"{fitting[best]} of {len(seen)} rows read as {best}, more than as any other form"
        raise ValueError(
            some if fitting[best] else f"rows such as {excerpt(rows[0])} read as none of the forms"
        )
    return best


def _leading(fields: Sequence[str]) -> int:
    """Return how many fields at the beginning are numbers."""
    return next((i for i, field in enumerate(fields) if not NUMBER.fullmatch(field)), len(fields))


def unquoted(text: str) -> str:
    """Take off the quotes that the challenges allow around a text."""
    quoted = QUOTED.fullmatch(text)
    return quoted[1].replace("\\\\", "\\").replace('\\"', '"') if quoted else text

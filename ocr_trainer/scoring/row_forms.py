"""Row forms of the ICDAR challenges (outline, optional confidence, optional text): parsing and detection."""

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
"""Numbers per outline by shape: an axis-aligned box, four corners, or (0) any even number."""

QUOTED = re.compile(r'"(.*)"')
DETECTION_ROWS = 2000
"""Number of rows, evenly spaced over all files, from which the form is detected."""


class Row(NamedTuple):
    """Content of a row."""

    polygon: Polygon
    """float64, (points, 2), in pixels; at least 1 point."""
    confidence: float
    """1 if the form has no confidence."""
    text: str
    """Empty if the form has no text."""


@dataclass(frozen=True)
class Form:
    """A row form, written as `quad`, `ltrb+text`, `poly+confidence+text` and so on."""

    shape: str
    """A key of `COORDINATES`."""
    confidence: bool = False
    """Whether a confidence follows the outline."""
    text: bool = False
    """Whether a text ends the row."""

    def __str__(self) -> str:
        return self.shape + "+confidence" * self.confidence + "+text" * self.text

    def fits(self, fields: Sequence[str], numbers: int) -> bool:
        """Return whether a row fits strictly: exactly the numbers needed, then a text that is no number.

        Args:
            fields: The row, split at commas.
            numbers: How many fields at the beginning are numbers.
        """
        coordinates, rest = numbers - self.confidence, fields[numbers:]
        count = COORDINATES[self.shape]
        if not (coordinates == count if count else coordinates >= 6 and coordinates % 2 == 0):
            return False
        if self.confidence and not 0 <= float(fields[numbers - 1]) <= 1:
            return False
        return bool(rest) if self.text else not "".join(rest).strip()

    def parse(self, row: str) -> Row:
        """Parse a row. Spaces around fields and quotes around the text are ignored.

        Raises:
            ValueError: The row does not have this form; the message says why.
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
            raise ValueError(f"a number is not finite: {excerpt(row)}")
        rest = ",".join(fields[end:]).strip()
        if rest and not self.text:
            raise ValueError(f"not {self}, the row has extra fields: {excerpt(row)}")
        confidence = numbers.pop() if self.confidence else 1.0
        points = np.array(self._outline(numbers), dtype=np.float64).reshape(-1, 2)
        return Row(points, confidence, unquoted(rest))

    def _outline(self, numbers: list[float]) -> Sequence[tuple[float, float]] | list[float]:
        if self.shape != "ltrb":
            return numbers
        left, top, right, bottom = numbers
        if left > right or top > bottom:
            raise ValueError(f"the box has a negative width or height: {left:g},{top:g},{right:g},{bottom:g}")
        return box(left, top, right, bottom)

    def _coordinates(self, fields: Sequence[str]) -> int:
        """Return how many fields are coordinates of a polygon.

        A text may be a number or begin with numbers. So if the form has a text, the coordinates are the
        longest even number of leading numbers that leaves a field for the text.
        """
        numbers = _leading_numbers(fields) - self.confidence
        if self.text:
            numbers -= numbers + self.confidence == len(fields)
        elif numbers % 2:
            raise ValueError(f"{numbers} coordinates do not form points")
        return numbers - numbers % 2


FORMS = tuple(
    Form(shape, confidence, text)
    for shape in COORDINATES
    for confidence in (False, True)
    for text in (False, True)
)


def form_of(name: str) -> Form:
    """Return the form with a name such as `quad+text`.

    Raises:
        ConfigError: There is no such form.
    """
    forms = {str(form): form for form in FORMS}
    if name not in forms:
        raise ConfigError(
            f"there is no form '{name}'.{did_you_mean(name, forms)}\n  forms: {', '.join(forms)}"
        )
    return forms[name]


def detect(rows: Sequence[str], confidence: bool) -> Form:
    """Return the form that most rows have.

    Rows that fit `quad` also fit `poly`. The form is `poly` if many rows have other numbers of points; a
    few may be `quad` rows with a text such as `1,968 won`, whose beginning looks like another point.

    Args:
        rows: The rows of all files; not empty.
        confidence: Whether forms with a confidence are possible.

    Raises:
        ValueError: The form is ambiguous or unknown; the message says how many rows fit.
    """
    fields = [row.split(",") for row in rows[:: max(1, len(rows) // DETECTION_ROWS)]]
    sample = [(row, _leading_numbers(row)) for row in fields]
    forms = [form for form in FORMS if confidence or not form.confidence]
    fitting = {form: sum(form.fits(*row) for row in sample) for form in forms}
    best = max(fitting, key=lambda form: fitting[form])
    quad = Form("quad", best.confidence, best.text)
    others = fitting[best] - fitting[quad]
    # Up to 5 % of texts may begin with numbers; between 5 % and 20 %, both forms are plausible.
    if best.shape == "poly" and best.text and others <= 0.05 * len(sample):
        best = quad
    elif best.shape == "poly" and best.text and others <= 0.2 * len(sample):
        raise ValueError(f"{fitting[quad]} of {len(sample)} rows fit {quad}, {fitting[best]} fit {best}")
    if not fitting[best]:
        raise ValueError(f"rows such as {excerpt(rows[0])} fit no form")
    if fitting[best] < 0.5 * len(sample):
        raise ValueError(f"only {fitting[best]} of {len(sample)} rows fit {best}, the best form")
    return best


def _leading_numbers(fields: Sequence[str]) -> int:
    """Return how many fields at the beginning are numbers."""
    return next((i for i, field in enumerate(fields) if not NUMBER.fullmatch(field)), len(fields))


def unquoted(text: str) -> str:
    """Return a text without the enclosing quotes that the challenges allow, and unescape it."""
    quoted = QUOTED.fullmatch(text)
    return quoted[1].replace("\\\\", "\\").replace('\\"', '"') if quoted else text

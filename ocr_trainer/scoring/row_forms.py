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
from ocr_trainer.formats.rows import NUMBER, excerpt, rotated
from ocr_trainer.scoring.shapes import SHAPES

MSRA_TD500 = "msra_td500"
"""The form of MSRA-TD500, `index difficult x y width height angle`; fields are separated by spaces."""
DIFFICULT = "###"
"""The text of a row that MSRA-TD500 marks as difficult."""

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
    """A key of `SHAPES`, or `MSRA_TD500`."""
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
        if self.shape == MSRA_TD500:
            return len(fields) == 1 and len(row := fields[0].split()) == _leading_numbers(row) == 7
        coordinates, rest = numbers - self.confidence, fields[numbers:]
        count = SHAPES[self.shape].numbers
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
        if self.shape == MSRA_TD500:
            return _parse_msra_td500(row)
        fields = row.split(",")
        end = (SHAPES[self.shape].numbers or self._coordinates(fields)) + self.confidence
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
        if not 0 <= confidence <= 1:
            raise ValueError(f"the confidence {confidence:g} is not from 0 to 1: {excerpt(row)}")
        points = np.array(SHAPES[self.shape].outline(numbers), dtype=np.float64).reshape(-1, 2)
        return Row(points, confidence, unquoted(rest))

    def may_hide_angles(self, rows: Sequence[str]) -> bool:
        """Return whether this form would take the angles of rotated boxes for their texts.

        So it is if all texts are plain numbers, and not all of them are whole, as house numbers are.
        """
        if not self.text or SHAPES[self.shape].numbers != 4:
            return False
        texts = [",".join(row.split(",")[4 + self.confidence :]) for row in rows]
        return all(map(NUMBER.fullmatch, texts)) and any(not text.strip().isdigit() for text in texts)

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


def _parse_msra_td500(row: str) -> Row:
    fields = row.split()
    if len(fields) != 7 or _leading_numbers(fields) != 7:
        raise ValueError(f"not index difficult x y width height angle: {excerpt(row)}")
    _, difficult, *numbers = map(float, fields)
    return Row(np.array(rotated(*numbers)), 1.0, DIFFICULT if difficult else "")


FORMS = (
    *(
        Form(shape, confidence, text)
        for shape in SHAPES
        for confidence in (False, True)
        for text in (False, True)
    ),
    Form(MSRA_TD500),
)
DETECTED = tuple(form for form in FORMS if form.shape == MSRA_TD500 or SHAPES[form.shape].detected)
"""Forms that rows can be recognized by."""


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
    if len(sample) == _count_with_five_numbers(sample, confidence):
        raise ValueError(
            f"rows such as {excerpt(rows[0])} start with five numbers: a box and an angle, or a confidence"
        )
    forms = [form for form in DETECTED if confidence or not form.confidence]
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


def _count_with_five_numbers(sample: Sequence[tuple[list[str], int]], confidence: bool) -> int:
    """Return how many rows start with five numbers; 0 if the fifth can be a confidence in all of them."""
    fifths = [float(fields[4]) for fields, numbers in sample if numbers == 5]
    possible = confidence and all(0 <= fifth <= 1 for fifth in fifths)
    return 0 if possible else len(fifths)


def _leading_numbers(fields: Sequence[str]) -> int:
    """Return how many fields at the beginning are numbers."""
    return next((i for i, field in enumerate(fields) if not NUMBER.fullmatch(field)), len(fields))


def unquoted(text: str) -> str:
    """Return a text without the enclosing quotes that the challenges allow, and unescape it."""
    quoted = QUOTED.fullmatch(text)
    return quoted[1].replace("\\\\", "\\").replace('\\"', '"') if quoted else text

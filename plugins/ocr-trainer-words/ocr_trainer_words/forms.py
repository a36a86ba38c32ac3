"""Row formats of lists of images and texts.

Each form is a function from a row to the name and the text of an image. It raises a
ValueError if the row does not have that form; the message is recorded in the data report.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable

from ocr_trainer.data.image_kinds import SUFFIXES
from ocr_trainer.formats.rows import excerpt
from ocr_trainer_words.plugin import Form

Row = tuple[str, str]
"""The name of an image and its text."""
Parser = Callable[[str], Row]

SUFFIX = "(?i:" + "|".join(map(re.escape, sorted(SUFFIXES))) + ")"
QUOTED = re.compile(r'([^",\t]+),\s+"(.*)"\s*')
ESCAPED = re.compile(r'\\(["\\])')
MJSYNTH = re.compile(r"(\S*?(?:^|/)\d+_([^_/\s]+)_\d+\.(?i:jpe?g))\s+\d+\s*")
SPACED = re.compile(rf"(.+?{SUFFIX})(?:\s+(.*))?")
IMAGE = re.compile(rf".*{SUFFIX}")

NAMES = ("filename", "file_name", "file", "image", "image_path", "img_path", "img", "path", "name")
"""Names of the image column in a header, in lower case."""
TEXTS = ("text", "words", "word", "label", "transcription", "transcript", "ground_truth", "gt")
"""Names of the text column in a header."""


def quoted(row: str) -> Row:
    """Parse `word_1.png, "TEXT"`; quotes in the text may be escaped with a backslash."""
    match = QUOTED.fullmatch(row)
    if not match:
        raise ValueError(f'not NAME, "TEXT": {excerpt(row)}')
    name, text = match.groups()
    return name, ESCAPED.sub(r"\1", text) if "\\" in text else text


def tab(row: str) -> Row:
    """Parse `word_1.png<tab>TEXT`; further tabs are part of the text."""
    name, found, text = row.partition("\t")
    if not (found and name.strip()):
        raise ValueError(f"not NAME, a tab and TEXT: {excerpt(row)}")
    return name, text


def mjsynth(row: str) -> Row:
    """Parse `./2425/1/115_TEXT_42.jpg 42`; the number after the name is the word's index in a lexicon."""
    match = MJSYNTH.fullmatch(row)
    if not match:
        raise ValueError(f"not …/NUMBER_TEXT_NUMBER.jpg NUMBER: {excerpt(row)}")
    return match[1], match[2]


def space(row: str) -> Row:
    """Parse `word_1.png TEXT`; the name ends at the first image suffix, so the text may have blanks."""
    match = SPACED.fullmatch(row)
    if not match:
        raise ValueError(f"not NAME TEXT: {excerpt(row)}")
    return match[1], match[2] or ""


def comma(row: str) -> Row:
    """Parse `word_1.png,TEXT`, both with optional quotes; further commas are part of the text."""
    fields = _fields(row, ",")
    if len(fields) < 2:
        raise ValueError(f"not NAME,TEXT: {excerpt(row)}")
    return fields[0], ",".join(fields[1:])


FORMS: dict[Form, Parser] = {
    Form.quoted: quoted,
    Form.tab: tab,
    Form.mjsynth: mjsynth,
    Form.csv: comma,
    Form.space: space,
}
"""The stricter forms come first: of two that match equally many rows, the first wins."""


def find_form(rows: list[str]) -> Form | None:
    """Return the form that matches most rows, or None if it matches less than half of them."""
    counts = {form: sum(_matches(parse, row) for row in rows) for form, parse in FORMS.items()}
    if not any(_has_letter(row) for row in rows):  # the numbers after the names are the texts then
        counts[Form.mjsynth] = 0
    best = max(counts, key=counts.__getitem__)
    return best if 2 * counts[best] >= max(1, len(rows)) else None


def _matches(parse: Parser, row: str) -> bool:
    try:
        name, _ = parse(row)
    except ValueError:
        return False
    return bool(IMAGE.fullmatch(name.strip()))


def _has_letter(row: str) -> bool:
    match = MJSYNTH.fullmatch(row)
    return match is not None and any(map(str.isalpha, match[2]))


def by_header(row: str) -> Parser | None:
    """Return the parser for rows below a header such as `filename,words`; None if `row` is no header."""
    delimiter = "\t" if "\t" in row else ","
    try:
        columns = [column.strip().lower() for column in _fields(row, delimiter)]
    except ValueError:
        return None
    name, text = _first(NAMES, columns), _first(TEXTS, columns)
    if name is None or text is None:
        return None

    def parse(row: str) -> Row:
        fields = row.split("\t") if delimiter == "\t" else _fields(row, ",")
        if len(fields) <= max(name, text):
            raise ValueError(f"{len(fields)} of the {len(columns)} columns of the header: {excerpt(row)}")
        if text == len(columns) - 1:  # unquoted text may contain the delimiter
            return fields[name], delimiter.join(fields[text:])
        return fields[name], fields[text]

    return parse


def _fields(row: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([row], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise ValueError(f"not CSV: {error}: {excerpt(row)}") from None


def _first(known: Iterable[str], columns: list[str]) -> int | None:
    return next((columns.index(name) for name in known if name in columns), None)

"""Row formats of lists of images and texts.

Each form is a function from a row to the name and the text of an image. It raises a
ValueError if the row does not have that form; the message is recorded in the data report.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.rows import excerpt
from ocr_trainer_runtime.images.kinds import SUFFIXES
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
SYNONYMS = {
    **{"training": "train", "testing": "test"},
    **dict.fromkeys(("valid", "validation", "dev", "eval"), "val"),
}
"""Other words for the splits in a column `split`."""


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


@dataclass(frozen=True)
class Table:
    """A list whose first row names its columns."""

    columns: list[str]
    delimiter: str
    name: int
    text: int
    split: int | None

    def parse(self, row: str) -> Row:
        """Return the name and the text of a row."""
        fields = self._split_row(row)
        if self.text == len(self.columns) - 1:  # unquoted text may contain the delimiter
            return fields[self.name], self.delimiter.join(fields[self.text :])
        return fields[self.name], fields[self.text]

    def split_of(self, row: str) -> str | None:
        """Return the split that a row names, or None if it names none.

        Raises:
            ValueError: It is not one of train, val and test.
        """
        if self.split is None or not (value := self._split_row(row)[self.split].strip()):
            return None
        split = SYNONYMS.get(value.lower(), value.lower())
        if split not in SPLITS:
            raise ValueError(f"the split is not one of {', '.join(SPLITS)}: {excerpt(value)}")
        return split

    @property
    def unused(self) -> list[str]:
        """The columns that are not read; those without a name by their numbers."""
        used = {self.name, self.text, self.split}
        named = enumerate(self.columns)
        return [repr(column) if column else f"number {i + 1}" for i, column in named if i not in used]

    def _split_row(self, row: str) -> list[str]:
        fields = row.split("\t") if self.delimiter == "\t" else _fields(row, ",")
        if len(fields) <= max(self.name, self.text, self.split or 0):
            raise ValueError(
                f"{len(fields)} of the {len(self.columns)} columns of the header: {excerpt(row)}"
            )
        return fields


def by_header(row: str) -> Table | None:
    """Return the columns of a header such as `filename,words`; None if `row` is no header."""
    delimiter = "\t" if "\t" in row else ","
    try:
        columns = [column.strip() for column in _fields(row, delimiter)]
    except ValueError:
        return None
    known = [column.lower() for column in columns]
    name, text = _first(NAMES, known), _first(TEXTS, known)
    if name is None or text is None:
        return None
    return Table(columns, delimiter, name, text, _first(("split",), known))


def _fields(row: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([row], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise ValueError(f"not CSV: {error}: {excerpt(row)}") from None


def _first(known: Iterable[str], columns: list[str]) -> int | None:
    return next((columns.index(name) for name in known if name in columns), None)

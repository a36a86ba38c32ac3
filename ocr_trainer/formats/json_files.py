"""Read JSON documents, and the points and texts in them.

A problem with a document raises `DataError`. A problem with a value raises `ValueError`, and its message
goes into the data report.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import (
    COORDINATE_LIMIT,
    MAX_BAD_ROWS,
    Labels,
    Points,
    read_bytes,
    strip_bom,
)
from ocr_trainer.formats.places import Place
from ocr_trainer.plugin import DataReport

BOUNDED = reprlib.Repr()
"""`repr` with a limited depth and length: hostile JSON may be nested without end."""
BOUNDED.maxlevel, BOUNDED.maxlist, BOUNDED.maxdict, BOUNDED.maxstring, BOUNDED.maxlong = 4, 40, 40, 40, 40


OUTLINES = ("points", "polygon", "mask", "box")
"""Keys under which formats have the points of an outline, as pairs or as a flat list."""


class Word(NamedTuple):
    """A label in terms of the format: outline, text, and whether or why it is "don't care"."""

    outline: Points | Place
    text: str = ""
    ignore: bool | str = False


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: If the file cannot be read or is not JSON in UTF-8. Names line and column.
    """
    try:
        return json.loads(read_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8: byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"'{path}' is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, or deep nesting
        raise DataError(f"'{path}' cannot be read as JSON: {error}") from error


def has_key(path: Path, key: str) -> bool:
    """Return whether a JSON file is an object with a key, or cannot be read."""
    try:
        document = read_json(path)
    except DataError:
        return True
    return isinstance(document, dict) and key in document


def read_json_rows(path: Path, data_report: DataReport, key: str = "") -> Iterator[tuple[int, str, Any]]:
    """Yield the line number, from 1, the image name and the value of each JSON row that is not blank.

    Each row counts as an image. Rows that are not JSON are recorded in the data report.

    Args:
        path: File with one JSON value per row.
        data_report: Receives the counts and the reasons.
        key: Key of the image name within the value. If empty, the row is the name, a tab and the value.

    Raises:
        DataError: If the file cannot be read, is UTF-16, or does not look like this format.
    """
    usable = False
    for count, (line, data) in enumerate(_rows(path), start=1):
        try:
            name, value = _row(data, key)
        except (ValueError, RecursionError) as error:
            if count > MAX_BAD_ROWS and not usable:
                raise DataError(f"'{path}': none of {MAX_BAD_ROWS:,} rows can be used: {error}") from None
            data_report.read(images=1)
            data_report.skip_image(f"{path}:{line}", str(error))
            continue
        usable = True
        data_report.read(images=1)
        yield line, name, value


def _row(data: bytes, key: str) -> tuple[str, Any]:
    try:
        row = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{data[error.start]:02x}") from error
    name, tab, text = ("", "", row) if key else row.partition("\t")
    if not key and not (tab and name.strip()):
        raise ValueError("there is no image name followed by a tab")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        column = len(row) - len(text) + error.pos + 1
        raise ValueError(f"not JSON: column {column}: {error.msg}") from error
    return to_name(value, key) if key else name.strip(), value


def _rows(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the line number and the content of each row that is not blank, one at a time: files are large."""
    try:
        with path.open("rb") as file:
            for line, data in enumerate(file, start=1):
                if line == 1:
                    data = strip_bom(data, path)
                if data.strip():
                    yield line, data
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}") from error


def read_words(
    items: Iterable[tuple[str, Any]],
    parse: Callable[[dict[str, Any]], Word],
    data_report: DataReport,
    file: Path,
    line: int | None = None,
) -> Labels:
    """Return the labels of an image. Values that are not labels are recorded in the data report.

    Of a label that cannot be parsed, what is left of its outline is kept as "don't care".

    Args:
        items: JSON values, each with the prefix of its error message.
        parse: Converts an object to a label; raises ValueError if it cannot.
        data_report: Receives the counts and the reasons.
        file: Annotation file, for the report.
        line: Line in the file from 1, if known.
    """
    labels = Labels()
    for where, item in items:
        try:
            if not isinstance(item, dict):
                raise ValueError(f"{shown(item)} is not an object")
            word = parse(item)
        except ValueError as error:
            word = Word(Place(_remains(item), error=str(error)))
        labels.add(*word, data_report, file, line, where)
    return labels


def _remains(item: Any) -> Points:
    """Return the points that can be read in an object that is no label as it stands."""
    outlines = [item.get(key) for key in OUTLINES] if isinstance(item, dict) else []
    points: list[tuple[float, float]] = []
    for outline in outlines:
        pairs = outline if isinstance(outline, list) else []
        if not any(isinstance(pair, list) for pair in pairs[:2]):
            pairs = [pairs[place : place + 2] for place in range(0, len(pairs), 2)]
        for pair in pairs:
            with suppress(ValueError):
                points.append(to_point(_unquoted(pair)))
    return points


def _unquoted(pair: Any) -> Any:
    """Return a pair with the numbers that are written as texts, such as "40", as numbers.

    Raises:
        ValueError: A text is not a number.
    """
    if not isinstance(pair, list):
        return pair
    return [float(value) if isinstance(value, str) and len(value) < 40 else value for value in pair[:3]]


def numbered(what: str, items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each item with its prefix for messages, such as `a.jpg, word 3: `."""
    return ((f"{what} {number}: ", item) for number, item in enumerate(items, start=1))


def to_name(value: Any, key: str) -> str:
    """Return the image name under a key of an object.

    Raises:
        ValueError: If the key is missing or not a text.
    """
    name = value.get(key) if isinstance(value, dict) else None
    if not (isinstance(name, str) and name.strip()):
        raise ValueError(f'there is no "{key}", the name of an image')
    return name.strip()


def to_list(value: Any, key: str) -> list[Any]:
    """Return the list under a key of an object.

    Raises:
        ValueError: If there is none.
    """
    items = value.get(key) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise ValueError(f'there is no list "{key}"')
    return items


def to_points(value: Any) -> Points:
    """Parse `[[x, y], …]`.

    Raises:
        ValueError: If the value has another form.
    """
    if not isinstance(value, list):
        raise ValueError("it has no list of points")
    return [to_point(point) for point in value]


def to_point(value: Any) -> tuple[float, float]:
    """Parse `[x, y]`.

    Raises:
        ValueError: If the value has another form.
    """
    if not (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a point [x, y]")
    return _float(value[0]), _float(value[1])


def pairs_to_points(value: Any) -> Points:
    """Parse `[x, y, x, y, …]`.

    Raises:
        ValueError: If the value has another form.
    """
    if not (isinstance(value, list) and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a list of numbers")
    if len(value) % 2:
        raise ValueError(f"{len(value)} numbers do not form points: there must be an even number")
    numbers = [_float(number) for number in value]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def xyxy_to_points(value: Any) -> Points:
    """Parse `[left, top, right, bottom]` and return the corners clockwise from the top left.

    Raises:
        ValueError: If the value has another form.
    """
    if not (isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a box [left, top, right, bottom]")
    left, top, right, bottom = map(_float, value)
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def xywh_to_points(value: Any) -> Points:
    """Parse `[left, top, width, height]` and return the corners clockwise from the top left.

    Raises:
        ValueError: If the value has another form.
    """
    if not (isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a box [left, top, width, height]")
    left, top, width, height = map(_float, value)
    return xyxy_to_points([left, top, left + width, top + height])


def to_text(value: Any, what: str = "text") -> str:
    """Return a text without surrounding whitespace; empty for null. A number becomes its JSON text.

    Args:
        value: JSON value.
        what: Name of the value in error messages.

    Raises:
        ValueError: If the value is neither text, number nor null.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if _is_number(value):
        return json.dumps(value)
    raise ValueError(f"the {what} is neither text nor null: {shown(value)}")


def to_size(height: Any, width: Any) -> tuple[int, int] | None:
    """Return height and width if both are integers that an image can have, else None."""
    sides = (height, width)
    return sides if all(type(side) is int and 0 < side <= COORDINATE_LIMIT for side in sides) else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)  # not isinstance: bool is a subclass of int in Python


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf  # rejected later, with the other coordinates that are not in any image


def shown(value: Any) -> str:
    """Return the first 40 characters of a value for a message, however deep it is nested."""
    return (value if isinstance(value, str) else BOUNDED.repr(value))[:40]


def to_key(value: Any) -> str:
    """Return a text that identifies a value: the text itself, or the JSON-like form of a number."""
    return value if isinstance(value, str) else shown(value)

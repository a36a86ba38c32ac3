"""Reading JSON: documents, and the points and texts that stand in them.

What is wrong with a document is a `DataError`; what is wrong with a value in it is a `ValueError`, in
words that go into the ledger.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import (
    COORDINATE_LIMIT,
    HOPELESS,
    Labels,
    Points,
    read_bytes,
    without_mark,
)
from ocr_trainer.plugin import DataReport

BOUNDED = reprlib.Repr()
"""Writes values out as Python does, but goes only so deep."""
BOUNDED.maxlevel, BOUNDED.maxlist, BOUNDED.maxdict, BOUNDED.maxstring, BOUNDED.maxlong = 4, 40, 40, 40, 40


class Word(NamedTuple):
    """A label as a format gives it."""

    points: Points
    text: str = ""
    ignore: bool = False


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: If it cannot be read, or is not JSON in UTF-8; with line and column.
    """
    try:
        return json.loads(read_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise DataError(f"'{path}' is not UTF-8: byte {fault.start + 1}") from fault
    except json.JSONDecodeError as fault:
        raise DataError(
            f"'{path}' is not JSON: line {fault.lineno}, column {fault.colno}: {fault.msg}"
        ) from fault
    except (ValueError, RecursionError) as fault:  # thousands of digits, or of brackets
        raise DataError(f"'{path}' is no JSON to be read: {fault}") from fault


def read_json_rows(path: Path, data_report: DataReport, key: str = "") -> Iterator[tuple[int, str, Any]]:
    """Yield line number, from 1, name and value of each row of JSON that is not blank.

    Each is counted as an image; one that is not JSON goes into the ledger.

    Args:
        key: What the name stands under in the row; if empty, the name stands before the JSON and a tab.

    Raises:
        DataError: If the file cannot be read, is UTF-16, or seems to be of another kind.
    """
    usable = False
    for count, (line, data) in enumerate(_rows(path), start=1):
        try:
            name, value = _row(data, key)
        except (ValueError, RecursionError) as fault:
            if count > HOPELESS and not usable:
                raise DataError(f"'{path}': none of {HOPELESS:,} rows can be used: {fault}") from None
            data_report.read(images=1)
            data_report.skip_image(f"{path}:{line}", str(fault))
            continue
        usable = True
        data_report.read(images=1)
        yield line, name, value


def _row(data: bytes, key: str) -> tuple[str, Any]:
    try:
        row = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise ValueError(f"not UTF-8: byte 0x{data[fault.start]:02x}") from fault
    name, tab, text = ("", "", row) if key else row.partition("\t")
    if not key and not (tab and name.strip()):
        raise ValueError("there is no name of an image with a tab after it")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        column = len(row) - len(text) + fault.pos + 1
        raise ValueError(f"not JSON: column {column}: {fault.msg}") from fault
    return to_name(value, key) if key else name.strip(), value


def _rows(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield line number and content of each row that is not blank, one by one: files can be large."""
    try:
        with path.open("rb") as file:
            for line, data in enumerate(file, start=1):
                if line == 1:
                    data = without_mark(data, path)
                if data.strip():
                    yield line, data
    except OSError as fault:
        raise DataError(f"cannot read '{path}': {fault.strerror}") from fault


def read_words(
    items: Iterable[tuple[str, Any]],
    parse: Callable[[dict[str, Any]], Word],
    data_report: DataReport,
    file: Path,
    line: int | None = None,
) -> Labels:
    """Return the labels of an image; what is none goes into the ledger, and the others are read on.

    Args:
        items: JSON values, each with what goes before the reason if it cannot be used.
        parse: What makes a label of an object; raises a ValueError if it is none.
        file: The file they stand in, for the ledger, and `line`, where that tells.
    """
    labels = Labels()
    for where, item in items:
        try:
            if not isinstance(item, dict):
                raise ValueError(f"{shown(item)} is no object")
            word = parse(item)
        except ValueError as fault:
            data_report.read(labels=1)
            data_report.skip_label(file, line, f"{where}{fault}")
            continue
        labels.add(*word, data_report, file, line, where)
    return labels


def numbered(what: str, items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each item after what it is called in messages: `a.jpg, word 3: `."""
    return ((f"{what} {number}: ", item) for number, item in enumerate(items, start=1))


def to_name(value: Any, key: str) -> str:
    """Return the name of an image that an object has under a key.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    name = value.get(key) if isinstance(value, dict) else None
    if not (isinstance(name, str) and name.strip()):
        raise ValueError(f'there is no "{key}": the name of an image')
    return name.strip()


def to_list(value: Any, key: str) -> list[Any]:
    """Return the list that an object has under a key.

    Raises:
        ValueError: If there is none.
    """
    items = value.get(key) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise ValueError(f'there is no list "{key}"')
    return items


def to_points(value: Any) -> Points:
    """Return the points of `[[x, y], …]`.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if not isinstance(value, list):
        raise ValueError("it has no list of points")
    return [to_point(point) for point in value]


def to_point(value: Any) -> tuple[float, float]:
    """Return the point `[x, y]`.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if not (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a point [x, y]")
    return _float(value[0]), _float(value[1])


def pairs_to_points(value: Any) -> Points:
    """Return the points of `[x, y, x, y, …]`.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if not (isinstance(value, list) and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is no list of numbers")
    if len(value) % 2:
        raise ValueError(f"{len(value)} numbers are no points: there must be an even number")
    numbers = [_float(number) for number in value]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def box_to_points(value: Any) -> Points:
    """Return the corners of `[left, top, right, bottom]`, clockwise from the top left.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if not (isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a box [left, top, right, bottom]")
    left, top, right, bottom = map(_float, value)
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def sides_to_points(value: Any) -> Points:
    """Return the corners of `[left, top, width, height]`, clockwise from the top left.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if not (isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))):
        raise ValueError(f"{shown(value)} is not a box [left, top, width, height]")
    left, top, width, height = map(_float, value)
    return box_to_points([left, top, left + width, top + height])


def to_text(value: Any, what: str = "text") -> str:
    """Return a text without the blanks around it; empty for null. A number is taken as it reads.

    Raises:
        ValueError: If it is nothing of the kind; `what` it is comes first.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if _is_number(value):
        return json.dumps(value)
    raise ValueError(f"the {what} is neither text nor null: {shown(value)}")


def to_size(height: Any, width: Any) -> tuple[int, int] | None:
    """Return height and width of an image where both are whole numbers that an image can have, or None."""
    sides = (height, width)
    return sides if all(type(side) is int and 0 < side <= COORDINATE_LIMIT for side in sides) else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)  # true and false are numbers to Python, and to nobody else


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf  # refused with the other numbers beyond any image


def shown(value: Any) -> str:
    """Return the beginning of a value, for a message; of one that is nested without end, too."""
    return (value if isinstance(value, str) else BOUNDED.repr(value))[:40]


def to_key(value: Any) -> str:
    """Return what a value is told from others by: a text or a number as it reads."""
    return value if isinstance(value, str) else shown(value)

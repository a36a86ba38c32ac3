"""Rows: written and read again, odd ones, and random bytes."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_icdar.dataset import Icdar2015, Sroie
from ocr_trainer_icdar.rows import parse_row, read_labels

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Ledger

coordinate = st.integers(-9999, 9999) | st.floats(-9999, 9999)
corners = st.lists(st.tuples(coordinate, coordinate), min_size=4, max_size=4)
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])).map(str.strip)


@settings(deadline=None)
@given(corners, texts, st.sampled_from([",", ", ", " , "]))
def test_a_row_written_is_read_again(points: list, text: str, comma: str) -> None:
    row = comma.join([*(repr(value) for point in points for value in point), text])
    assert parse_row(row) == (points, text)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("0,0,9,0,9,9,0,9,Breakfast,Lunch", "Breakfast,Lunch"),
        ('0,0,9,0,9,9,0,9,""OPTICARE 500X3', '""OPTICARE 500X3'),
        ("0,0,9,0,9,9,0,9,1,968", "1,968"),
        ("0,0,9,0,9,9,0,9,42", "42"),
        ("0,0,9,0,9,9,0,9,", ""),
        ("0,0,9,0,9,9,0,9", ""),
        ("0, 0, 9, 0, 9, 9, 0, 9, two words ", "two words"),
        ("0.0,-0,9.,0,+9,9e0,0,9,영수증", "영수증"),
    ],
)
def test_the_text_runs_to_the_end(row: str, text: str) -> None:
    assert parse_row(row) == ([(0, 0), (9, 0), (9, 9), (0, 9)], text)


def read(path: Path, data: bytes, dataset: type[Icdar2015] | type[Sroie] = Icdar2015) -> tuple:
    path.write_bytes(data)
    ledger = Ledger()
    return read_labels(path, dataset.is_ignored, ledger), ledger


def test_bad_rows_are_entered_with_line_and_reason(tmp_path: Path) -> None:
    data = (
        b"\xef\xbb\xbf0,0,9,0,9,9,0,9,good\r\n"
        b"0,0,9,0,9,9,0,good?\r\n"
        b"221,208,###\r\n"
        b"nan,0,9,0,9,9,0,9,a\r\n"
        b"0,0,1e999,0,9,9,0,9,a\r\n"
        b"\r\n"
        b"3,3,3,3,3,3,3,3,a\r\n"
        b"0,0,9,0,0,9,9,9,bow tie\r\n"
        b"0,0,9,0,9,9,0,9,caf\xe9\r\n"
        b"0,0,9,0,9,9,0,9,good\r\n"
    )
    labels, ledger = read(tmp_path / "gt.txt", data)
    assert labels.texts == ["good", "bow tie", "good"]
    assert labels.ignore == [False, True, False]
    assert ledger.labels == 9
    assert [(entry.line, entry.reason) for entry in ledger.skipped] == [
        (2, "'good?' is not a coordinate"),
        (3, "not x1,y1,x2,y2,x3,y3,x4,y4,TEXT: '221,208,###'"),
        (4, "the coordinate nan is not a finite number"),
        (5, "the coordinate inf is not a finite number"),
        (7, "the outline has no area"),
        (8, "the outline crosses itself: kept as don't care"),
        (9, "not UTF-8: byte 0xe9"),
    ]
    assert {(entry.what, entry.file) for entry in ledger.skipped} == {("label", str(tmp_path / "gt.txt"))}


@pytest.mark.parametrize(
    ("dataset", "text", "ignored"),
    [
        (Icdar2015, "###", True),
        (Icdar2015, "#", False),
        (Icdar2015, "####", False),
        (Icdar2015, "***", False),
        (Icdar2015, "", False),
        (Sroie, "*", True),
        (Sroie, "***", True),
        (Sroie, "* 2 *", False),
        (Sroie, "###", False),
        (Sroie, "", False),
    ],
)
def test_what_is_dont_care(tmp_path: Path, dataset: type, text: str, ignored: bool) -> None:
    labels, _ = read(tmp_path / "gt.txt", f"0,0,9,0,9,9,0,9,{text}\n".encode(), dataset)
    assert labels.ignore == [ignored]
    assert labels.texts == ["" if ignored else text]


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text('0123456789.,-+enaif #*"\r\n_ ٣', max_size=200).map(str.encode))
def test_random_bytes_are_read_or_refused_and_every_row_accounted_for(tmp_path: Path, data: bytes) -> None:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with pytest.raises(DataError, match="UTF-16"):
            read(tmp_path / "gt.txt", data)
        return
    labels, ledger = read(tmp_path / "gt.txt", data)
    kept_yet_entered = sum("kept as" in entry.reason for entry in ledger.skipped)
    assert ledger.labels == len(labels.texts) + len(ledger.skipped) - kept_yet_entered

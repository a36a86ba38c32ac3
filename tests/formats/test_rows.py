"""Rows: written and read again, odd ones, and random bytes."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.rows import NUMBER, Row, RowDataset, parse_corners, parse_polygon
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

coordinate = st.integers(-9999, 9999) | st.floats(-9999, 9999).map(lambda value: round(value, 2))
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])).map(str.strip)


def outlines(least: int, most: int) -> st.SearchStrategy:
    return st.lists(st.tuples(coordinate, coordinate), min_size=least, max_size=most)


def written(points: list, text: str, comma: str = ",") -> str:
    return comma.join([*(repr(value) for point in points for value in point), text])


@settings(deadline=None)
@given(outlines(4, 4), texts, st.sampled_from([",", ", ", " , "]))
def test_corners_written_are_read_again(points: list, text: str, comma: str) -> None:
    assert parse_corners(written(points, text, comma)) == (points, text)


@settings(deadline=None)
@given(outlines(1, 19), texts)
def test_a_polygon_written_is_read_again(points: list, text: str) -> None:
    first, _, more = text.partition(",")
    assume(not NUMBER.fullmatch(first) or not more or not NUMBER.fullmatch(more.split(",")[0]))
    assert parse_polygon(written(points, text)) == (points, text)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("0,0,9,0,9,9,0,9,Breakfast,Lunch", "Breakfast,Lunch"),
        ('0,0,9,0,9,9,0,9,""OPTICARE 500X3', '""OPTICARE 500X3'),
        ("0,0,9,0,9,9,0,9,42", "42"),
        ("0,0,9,0,9,9,0,9,-1.5", "-1.5"),
        ("0,0,9,0,9,9,0,9,1,000 won", "1,000 won"),
        ("0,0,9,0,9,9,0,9,4pm,5,6", "4pm,5,6"),
        ("0,0,9,0,9,9,0,9,", ""),
        ("0,0,9,0,9,9,0,9", ""),
        ("0, 0, 9, 0, 9, 9, 0, 9, two words ", "two words"),
        ("0.0,-0,9.,0,+9,9.0,0,9,영수증", "영수증"),
    ],
)
@pytest.mark.parametrize("parse", [parse_corners, parse_polygon])
def test_the_text_runs_to_the_end(parse, row: str, text: str) -> None:
    assert parse(row) == ([(0, 0), (9, 0), (9, 9), (0, 9)], text)


def test_where_the_text_of_a_polygon_starts() -> None:
    """What no rule can tell: numbers alone, in an even number, are taken for points."""
    assert parse_corners("0,0,9,0,9,9,0,9,1,968") == ([(0, 0), (9, 0), (9, 9), (0, 9)], "1,968")
    assert parse_polygon("0,0,9,0,9,9,0,9,1,968") == ([(0, 0), (9, 0), (9, 9), (0, 9), (1, 968)], "")
    assert parse_polygon("221,208,###") == ([(221, 208)], "###")
    assert parse_polygon("0,0,9,0,9,9,1e5,nan") == ([(0, 0), (9, 0), (9, 9)], "1e5,nan")
    for row in ("word", "7,word", "", ",", "１,２,word", "nan,0,9,0,9,9,a"):
        with pytest.raises(ValueError, match="not x1,y1,…,xn,yn,TEXT"):
            parse_polygon(row)


class Corners(RowDataset):
    def parse(self, row: str) -> Row:
        return parse_corners(row)


class Polygons(RowDataset):
    def parse(self, row: str) -> Row:
        return parse_polygon(row)


def read(folder: Path, data: bytes, dataset: type[RowDataset] = Corners) -> tuple[Labels, Context]:
    (folder / "image.png").touch()
    (folder / "image.txt").write_bytes(data)
    context = Context(task=Task.detection)
    return dataset(PairedConfig(name="rows", root=folder), context).read(folder / "image.txt"), context


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
        b"0,0,9,0,9,9,0,9,###\r\n"
    )
    labels, context = read(tmp_path, data)
    assert (labels.texts, labels.ignore) == (["good", "", "a", "a", "a", "bow tie", ""], [False, *[True] * 6])
    assert context.data_report.labels == 9
    assert [(entry.line, entry.reason) for entry in context.data_report.skipped] == [
        (2, "'good?' is not a number: kept as don't care"),
        (3, "not x1,y1,x2,y2,x3,y3,x4,y4,TEXT: '221,208,###'"),
        (4, "the coordinate nan is not a finite number: kept as don't care"),
        (5, "the coordinate inf is not a finite number: kept as don't care"),
        (7, "the outline has no area: kept as don't care"),
        (8, "the outline crosses itself: kept as don't care"),
        (9, "not UTF-8: byte 0xe9"),
    ]
    assert {(e.what, e.file) for e in context.data_report.skipped} == {("label", str(tmp_path / "image.txt"))}


junk = st.binary(max_size=200) | st.text('0123456789.,-+enaif #*"\r\n_ ٣', max_size=200).map(str.encode)


@pytest.mark.parametrize("dataset", [Corners, Polygons])
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=junk)
def test_random_bytes_are_read_or_refused_and_every_row_accounted_for(
    tmp_path: Path, dataset: type[RowDataset], data: bytes
) -> None:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with pytest.raises(DataError, match="UTF-16"):
            read(tmp_path, data, dataset)
        return
    labels, context = read(tmp_path, data, dataset)
    kept_yet_entered = sum("kept as" in entry.reason for entry in context.data_report.skipped)
    assert (
        context.data_report.labels == len(labels.texts) + len(context.data_report.skipped) - kept_yet_entered
    )


@pytest.mark.parametrize("comma", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize("count", [2, 3])
def test_a_row_that_cannot_be_parsed_is_dont_care_where_its_numbers_are(
    tmp_path: Path, comma: str, count: int
) -> None:
    points = [(10, 20), (60, 20), (60, 40)][:count]
    labels, context = read(tmp_path, written(points, "TOTAL", comma).encode())
    assert labels.ignore == [True]
    assert (labels.polygons[0][:, 0].min(), labels.polygons[0][:, 0].max()) == (10, 60)
    (entry,) = context.data_report.skipped
    assert entry.reason.endswith(": kept as don't care")


def test_a_row_of_another_form_has_no_corners(tmp_path: Path) -> None:
    class Numbered(Corners):
        corners = 0

    labels, context = read(tmp_path, b"3 0 10 20 60 40 0.1\n", Numbered)
    assert labels.polygons == []
    assert len(context.data_report.skipped) == 1

"""Outlines against shapely, and rows of every encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from shapely.geometry import MultiPoint
from shapely.geometry import Polygon as Shape

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import SMALL_OUTLINE, Labels, is_self_intersecting, read_rows
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.plugin import DataReport

SQUARE = [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)]
BOW_TIE = [SQUARE[0], SQUARE[1], SQUARE[3], SQUARE[2]]

points = st.lists(st.tuples(st.floats(1, 999), st.floats(1, 999)), min_size=3, max_size=12)


@settings(deadline=None)
@given(points)
def test_an_outline_that_crosses_itself_is_invalid_to_shapely(outline: list[tuple[float, float]]) -> None:
    assume(is_self_intersecting(outline))
    assert not Shape(outline).is_valid


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 3 * SMALL_OUTLINE))
def test_in_general_position_it_is_what_shapely_calls_invalid(seed: int, count: int) -> None:
    outline = [(x, y) for x, y in np.random.default_rng(seed).uniform(1, 999, (count, 2)).tolist()]
    assert is_self_intersecting(outline) == (not Shape(outline).is_valid)


def added(outline, text: str = "word", ignore: bool = False) -> tuple[Labels, DataReport]:
    labels, data_report = Labels(), DataReport()
    labels.add(outline, text, ignore, data_report, Path("gt.txt"), 7)
    return labels, data_report


def test_a_sound_label_is_kept_as_it_is() -> None:
    labels, data_report = added(SQUARE)
    assert labels.polygons[0].dtype == np.float32
    assert labels.polygons[0].tolist() == [list(point) for point in SQUARE]
    assert (labels.texts, labels.ignore) == (["word"], [False])
    assert (data_report.labels, data_report.skipped) == (1, [])


def test_a_closed_outline_is_opened() -> None:
    labels, data_report = added([*SQUARE, SQUARE[0]])
    assert labels.polygons[0].tolist() == [list(point) for point in SQUARE]
    assert data_report.skipped == []


def test_a_crossing_outline_becomes_its_hull_and_dont_care() -> None:
    labels, data_report = added(BOW_TIE)  # its signed area is 0, yet it covers text
    assert Shape(labels.polygons[0]).equals(MultiPoint(SQUARE).convex_hull)
    assert labels.ignore == [True]
    assert [str(entry) for entry in data_report.skipped] == [
        "gt.txt:7: the outline crosses itself: kept as don't care"
    ]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(3, SMALL_OUTLINE))
def test_outlines_of_few_and_of_many_points_are_judged_alike(seed: int, count: int) -> None:
    outline = np.random.default_rng(seed).integers(0, 8, (count, 2)).astype(float)
    few = [(x, y) for x, y in outline.tolist()]
    # a point again and again adds sides without length, which cross nothing
    many = [point for point in few for _ in range(SMALL_OUTLINE)]
    assert len(many) > SMALL_OUTLINE
    assert is_self_intersecting(many) == is_self_intersecting(few)


def test_a_curve_of_very_many_points_is_judged() -> None:
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    circle = [(500 + 400 * float(np.cos(a)), 500 + 400 * float(np.sin(a))) for a in angles]
    assert not is_self_intersecting(circle)
    circle[100], circle[4000] = circle[4000], circle[100]
    assert is_self_intersecting(circle)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        (SQUARE[:2], "2 points are not a polygon"),
        (SQUARE[:1], "1 point is not a polygon"),
        ([*SQUARE[:2], SQUARE[0]], "2 points are not a polygon"),
        ([], "0 points are not a polygon"),
        ([*SQUARE[:3], (NAN, 1.0)], "the coordinate nan is not a finite number"),
        ([*SQUARE[:3], (1.0, -INF)], "the coordinate -inf is not a finite number"),
        ([*SQUARE[:3], (1e308, 1.0)], "the coordinate 1e+308 is not in any image"),
        ([(0.0, 0.0), (5.0, 5.0), (9.0, 9.0)], "the outline has no area"),
        ([(3.0, 3.0)] * 4, "the outline has no area"),
        ([(-9.0, -1.0), (-1.0, -1.0), (-1.0, -5.0)], "it lies outside the image, to the left or above"),
    ],
)
def test_an_outline_that_cannot_be_used_is_dont_care_and_entered_with_file_and_line(
    outline, reason: str
) -> None:
    labels, data_report = added(outline)
    known = any(np.isfinite(point).all() and max(point) > 0 for point in outline)
    assert labels.ignore == [True] * known
    assert data_report.labels == 1
    kept = ": kept as don't care" if known else ""
    assert [str(entry) for entry in data_report.skipped] == [f"gt.txt:7: {reason}{kept}"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=8))
def test_any_outline_is_kept_or_entered(outline: list[tuple[float, float]]) -> None:
    labels, data_report = added(outline)
    assert labels.polygons or data_report.skipped
    for polygon in labels.polygons:
        assert np.isfinite(polygon).all()
        assert Shape(polygon).area > 0 or data_report.skipped


def rows(path: Path, data: bytes) -> tuple[list[tuple[int, str]], DataReport]:
    path.write_bytes(data)
    data_report = DataReport()
    return list(read_rows(path, data_report)), data_report


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_rows_of_any_writer(tmp_path: Path, bom: bytes, end: bytes) -> None:
    # U+2028, U+0085 and form feed end a line for str.splitlines, not for an editor
    texts = ["영수증", "a\u2028b\x85c\x0cd", "last"]
    data = bom + end.join([texts[0].encode(), b"", texts[1].encode(), texts[2].encode()])
    assert rows(tmp_path / "x", data)[0] == [(1, texts[0]), (3, texts[1]), (4, texts[2])]


def test_a_row_that_is_not_utf8_is_entered_and_the_others_are_read(tmp_path: Path) -> None:
    found, data_report = rows(tmp_path / "x", b"one\ncaf\xe9\nthree\n")
    assert found == [(1, "one"), (3, "three")]
    assert [str(entry) for entry in data_report.skipped] == [f"{tmp_path / 'x'}:2: not UTF-8: byte 0xe9"]


def test_utf16_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is UTF-16 text; save it as UTF-8"):
        rows(tmp_path / "x", "1,2".encode("utf-16"))
    with pytest.raises(DataError, match="No such file"):
        list(read_rows(tmp_path / "missing", DataReport()))


def split(tmp_path: Path, outlines: list, size: tuple[int, int] | None = None) -> LabeledImages:
    path = tmp_path / "x.png"
    Pillow.new("RGB", (100, 50)).save(path)
    labels = Labels(size=size)
    for outline in outlines:
        labels.add(outline, "word", False, DataReport(), path, None)
    return LabeledImages([(path, labels)])


def moved(x: float, y: float) -> list[tuple[float, float]]:
    return [(a + x, b + y) for a, b in SQUARE]


def test_outside_is_dont_care_and_told_partly_outside_is_kept(tmp_path: Path) -> None:
    images = split(tmp_path, [SQUARE, moved(75, 0), moved(90, 0), moved(0, 40), moved(-20, -20)])
    sample = images[0]
    assert sample.ignore.tolist() == [False, False, True, True, False]
    assert [str(entry) for entry in sample.skipped] == [
        f"{tmp_path / 'x.png'}: label {place} lies outside the image of 100 x 50 pixels" for place in (3, 4)
    ]
    assert images[-1].skipped == sample.skipped


def test_a_sample_is_the_callers_to_change(tmp_path: Path) -> None:
    images = split(tmp_path, [SQUARE])
    sample = images[0]
    sample.polygons[0] += 5
    sample.texts[0] = ""
    sample.ignore[0] = True
    fresh = images[0]
    assert (fresh.polygons[0].tolist()[0], fresh.texts, fresh.ignore.tolist()) == (
        [10, 10],
        ["word"],
        [False],
    )


def test_an_image_of_another_size_than_annotated_is_refused(tmp_path: Path) -> None:
    assert split(tmp_path, [SQUARE], size=(50, 100))[0].image.shape == (50, 100, 3)
    with pytest.raises(DataError, match="is 100 x 50 pixels, but was annotated at 50 x 100"):
        split(tmp_path, [SQUARE], size=(100, 50))[0]


def test_without_labels(tmp_path: Path) -> None:
    sample = split(tmp_path, [])[0]
    assert (sample.polygons, sample.texts, sample.ignore.shape) == ([], [], (0,))
    with pytest.raises(IndexError):
        split(tmp_path, [])[1]

"""What is used in place of an outline that cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPoint, Point
from shapely import Polygon as Shape

from ocr_trainer.formats.annotations import Labels, Points
from ocr_trainer.formats.places import Place, bounding_box, first_readable, with_text_above
from ocr_trainer.plugin import DataReport

BOX = [(1.0, 1.0), (9.0, 1.0), (9.0, 5.0), (1.0, 5.0)]
BROKEN: dict[str, Place] = {
    "two points": Place([(1, 1), (9, 5)], BOX),
    "no area": Place([(1, 1), (5, 1), (9, 1)], BOX),
    "not a number": Place([(math.nan, 1), *BOX[1:]], BOX),
    "no points": Place((), BOX),
    "unreadable": Place((), BOX, "it is a word"),
}


def added(place: Place) -> tuple[Labels, DataReport]:
    labels, report = Labels(), DataReport()
    labels.add(place, "TOTAL", False, report, Path("a.txt"), 3, "word 1: ")
    return labels, report


@pytest.mark.parametrize("name", BROKEN)
def test_a_label_with_a_broken_outline_has_its_box(name: str):
    labels, report = added(BROKEN[name])
    assert [polygon.tolist() for polygon in labels.polygons] == [[list(point) for point in BOX]]
    assert (labels.texts, labels.ignore, report.labels) == (["TOTAL"], [False], 1)
    (entry,) = report.skipped
    assert (entry.what, entry.line) == ("remark", 3)
    assert entry.reason.startswith("word 1: ")
    assert entry.reason.endswith(": its box is used")


@pytest.mark.parametrize("box", [None, [(2, 2), (2, 2), (2, 2), (2, 2)], [(math.inf, 0)] * 4])
def test_without_a_usable_box_it_is_dont_care(box: Points | None):
    labels, report = added(Place([(1, 1), (9, 5)], box))
    assert labels.ignore == [True]
    assert [entry.what for entry in report.skipped] == ["label"]
    assert report.skipped[0].reason == "word 1: 2 points are not a polygon: kept as don't care"


def test_a_good_outline_needs_no_box():
    labels, report = added(Place(BOX, [(0, 0), (50, 0), (50, 50), (0, 50)]))
    assert labels.polygons[0].tolist() == [list(point) for point in BOX]
    assert report.skipped == []


def test_what_has_no_place_is_skipped():
    for place in (Place(()), Place([(math.nan, 1)]), Place([(-50, -50), (-40, -50)])):
        labels, report = added(place)
        assert labels.polygons == []
        assert [entry.what for entry in report.skipped] == ["label"]


coordinate = st.floats(1, 1000) | st.sampled_from([math.nan, math.inf, 1e300])


@given(st.lists(st.tuples(coordinate, coordinate), max_size=6))
def test_every_known_point_of_a_broken_outline_is_covered(points: list[tuple[float, float]]):
    labels, _ = added(Place(points, error="it is broken"))
    known = [point for point in points if all(math.isfinite(v) and v <= 1e6 for v in point)]
    assert labels.ignore == [True] * bool(known)
    if known:
        outline = Shape(labels.polygons[0]).buffer(1e-2)
        assert all(outline.covers(Point(point)) for point in known)
        left, top, right, bottom = outline.bounds
        wide, high = MultiPoint(known).bounds[2:]
        assert min(right - left, bottom - top) >= 4
        assert right <= wide + 33
        assert bottom <= high + 33


def test_the_best_outline_that_can_be_read_is_taken():
    def broken() -> Points:
        raise ValueError("broken")

    assert first_readable(lambda: BOX, broken) == Place(BOX)
    assert first_readable(broken, lambda: (), lambda: BOX) == Place((), BOX, "broken")
    assert first_readable(lambda: (), lambda: BOX) == Place(BOX)
    assert first_readable(lambda: BOX[:2], lambda: BOX) == Place(BOX[:2], BOX)
    for outlines in ((broken,), (lambda: (), broken)):
        with pytest.raises(ValueError, match="broken"):
            first_readable(*outlines)
    with pytest.raises(ValueError, match="no outline"):
        first_readable(lambda: ())


def test_text_stands_on_its_baseline():
    (left, top), _, (right, bottom), _ = bounding_box(with_text_above([(10, 100), (110, 100)]))
    assert (left, right) == (10, 110)
    assert (top, bottom) == (80, 106)

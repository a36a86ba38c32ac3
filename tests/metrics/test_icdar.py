"""The ICDAR score against published submissions, a brute-force twin and cases done by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.outlines import (
    CTW1500,
    FIXTURES,
    ICDAR_2015,
    TOTAL_TEXT,
    area,
    box,
    crossing,
    enclosed,
    needs_fixtures,
    published,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon as Shape

from ocr_trainer.metrics.icdar import Counts, match

# Published submissions


PUBLISHED = [
    (ICDAR_2015, "ICDAR2015 IoU 0.5"),
    (TOTAL_TEXT, "baseline.zip, IoU 0.5"),
    (CTW1500, "det_ctw1500.zip, IoU 0.5"),
]


@needs_fixtures
@pytest.mark.parametrize(("submission", "key"), PUBLISHED, ids=["icdar2015", "totaltext", "ctw1500"])
def test_published_figures(submission: tuple[str, str], key: str) -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
    (figures,) = (value for name, value in expected.items() if name.endswith(key))
    if isinstance(figures["checked_here"], dict):
        figures = figures["checked_here"]  # four decimals, with counts

    total = Counts()
    for truth, ignore, found in published(*submission):
        total += match(truth.polygons, ignore, found.polygons)

    for name in ("precision", "recall", "hmean"):
        assert round(getattr(total, name), 4) == figures[name]
    names = {"gt_cared": "cared_truths", "det_cared": "cared_detections", "matched": "matched"}
    for theirs, ours in names.items():
        assert getattr(total, ours) == figures.get(theirs, getattr(total, ours))


# A brute-force twin


def twin(ground_truths: list, ignore: list[bool], detections: list) -> Counts:
    """The challenge's script, loop by loop; what outlines enclose is counted by strips."""

    def shared(i: int, j: int) -> float:
        return enclosed(ground_truths[i], detections[j])

    gt, det = [area(p) for p in ground_truths], [area(p) for p in detections]
    kept = [
        j
        for j in range(len(det))
        if not any(ignore[i] and shared(i, j) > 0.5 * det[j] for i in range(len(gt)))
    ]
    pairs: dict[int, int] = {}
    for i in range(len(gt)):
        for j in kept:
            if not ignore[i] and i not in pairs and j not in pairs.values():
                union = gt[i] + det[j] - shared(i, j)
                if union > 0 and shared(i, j) / union > 0.5:
                    pairs[i] = j
    return Counts(len(pairs), ignore.count(False), len(kept), tuple(pairs.items()))


# Whole numbers in a small square: many polygons coincide, touch, or share exactly one half.
quads = st.lists(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=4, max_size=4).map(np.array)
    | st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.integers(1, 4)).map(
        lambda r: box(r[0], r[1], r[0] + r[2], r[1] + r[3])
    ),
    max_size=9,
)


@settings(deadline=None)
@given(ground_truths=quads, detections=quads, data=st.data())
def test_agrees_with_its_twin(ground_truths: list, detections: list, data: st.DataObject) -> None:
    size = len(ground_truths)
    ignore = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    assert match(ground_truths, ignore, detections) == twin(ground_truths, ignore, detections)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_its_twin_where_outlines_cross_themselves(seed: int) -> None:
    ground_truths, detections = crossing(seed, 32)
    assert sum(not Shape(p).is_valid for p in (*ground_truths, *detections)) > 24
    ignore = list(np.random.default_rng(seed).random(32) < 0.2)
    counts = match(ground_truths, ignore, detections)
    assert counts == twin(ground_truths, ignore, detections)
    assert 0 < counts.matched < counts.cared_truths


def test_agrees_with_its_twin_on_a_crowded_page() -> None:
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 400, (60, 2))
    ground_truths = [box(x, y, x + 40, y + 15) for x, y in corners]
    detections = [p + rng.normal(0, 3, 2) for p in ground_truths]
    ignore = list(rng.random(60) < 0.1)
    counts = match(ground_truths, ignore, detections)
    assert counts == twin(ground_truths, ignore, detections)
    assert counts.matched > 20


# By hand


def test_exactly_one_half_is_no_match() -> None:
    assert match([box(0, 0, 10, 10)], [False], [box(0, 0, 10, 5)]).matched == 0
    assert match([box(0, 0, 10, 10)], [False], [box(0, 0, 10, 5.01)]).matched == 1


def test_one_to_one_in_order() -> None:
    page = box(0, 0, 10, 10)
    counts = match([page, page], [False, False], [page, page, page])
    assert counts == Counts(2, 2, 3, ((0, 0), (1, 1)))


def test_the_first_good_enough_wins_over_the_best() -> None:
    counts = match([box(0, 0, 10, 10)], [False], [box(0, 0, 10, 6), box(0, 0, 10, 10)])
    assert counts.pairs == ((0, 0),)


def test_indices_are_those_of_the_input() -> None:
    bow_tie = np.array([(0, 0), (10, 10), (10, 0), (0, 10)])
    ground_truths = [bow_tie, box(50, 0, 60, 10), box(0, 0, 10, 10)]
    detections = [bow_tie, box(50, 0, 60, 10), box(0, 0, 10, 10)]
    assert match(ground_truths, [False, True, False], detections) == Counts(2, 2, 2, ((0, 0), (2, 2)))


def test_detections_that_cross_themselves_cost_precision() -> None:
    bow_tie = np.array([(0, 0), (10, 10), (10, 0), (0, 10)])
    found = match([box(0, 0, 10, 10), box(30, 0, 40, 10)], [False, False], [bow_tie, box(30, 0, 40, 10)])
    assert (found.matched, found.cared_detections, found.precision) == (1, 2, 0.5)


def test_detections_in_a_dont_care_region_are_dropped() -> None:
    region = [box(0, 0, 100, 100)]
    half_inside, mostly_inside = box(-10, 0, 10, 10), box(-9, 0, 10, 10)
    assert match(region, [True], [half_inside]).cared_detections == 1
    assert match(region, [True], [mostly_inside]).cared_detections == 0


@pytest.mark.parametrize(
    "polygon",
    [
        np.empty((0, 2)),
        np.array([(0, 0), (5, 5)]),
        box(0, 0, np.nan, 10),
        box(0, 0, np.inf, 10),
    ],
)
def test_what_is_no_outline_is_skipped(polygon: np.ndarray) -> None:
    assert match([polygon], [False], [polygon]) == Counts()
    assert match([polygon], [True], [box(0, 0, 1, 1)]) == Counts(cared_detections=1)


@pytest.mark.parametrize(
    "polygon", [np.array([(0, 0), (5, 5), (9, 9)]), np.array([(3, 3), (3, 3), (3, 3), (3, 3)])]
)
def test_outlines_without_area_count_and_match_nothing(polygon: np.ndarray) -> None:
    assert match([polygon], [False], [polygon]) == Counts(0, 1, 1)
    assert match([box(0, 0, 9, 9)], [True], [polygon]) == Counts(0, 0, 1)


def test_counts_add_up_to_figures_of_the_whole_set() -> None:
    total = Counts(1, 2, 4, ((0, 0),)) + Counts(2, 2, 4, ((0, 0), (1, 1)))
    assert (total.precision, total.recall) == (3 / 8, 3 / 4)
    assert total.hmean == pytest.approx(2 * (3 / 8) * (3 / 4) / (3 / 8 + 3 / 4))


def test_figures_are_zero_where_undefined() -> None:
    nothing = match([], [], [])
    assert (nothing.precision, nothing.recall, nothing.hmean) == (0, 0, 0)

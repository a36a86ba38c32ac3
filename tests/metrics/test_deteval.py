"""DetEval against published figures, a brute-force twin, and the examples of MMOCR's tests."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.outlines import ICDAR_2015, TOTAL_TEXT, box, boxes, needs_fixtures, published, quads
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon as Shape

from ocr_trainer.metrics.deteval import RULES, Rules, evaluate
from ocr_trainer.metrics.match_counts import MatchCounts

TOTAL_TEXT_RULES = Rules(recall=0.7, precision=0.6, split=0.8, merge=0.8)


# Published submissions


@needs_fixtures
def test_the_published_figures_of_total_text() -> None:
    """The README of cs-chan/Total-Text-Dataset gives those of its authors' baseline, with tr=0.7, tp=0.6."""
    total = MatchCounts()
    for truth, ignore, found in published(*TOTAL_TEXT):
        total += evaluate(truth.polygons, ignore, found.polygons, TOTAL_TEXT_RULES)
    figures = {name: round(getattr(total, name), 2) for name in ("precision", "recall", "hmean")}
    assert figures == {"precision": 0.78, "recall": 0.68, "hmean": 0.73}


@needs_fixtures
@pytest.mark.parametrize("submission", [ICDAR_2015, TOTAL_TEXT])
def test_real_submissions_agree_with_the_twin(submission: tuple[str, str]) -> None:
    for truth, ignore, found in list(published(*submission))[::10]:
        assert_equal(truth.polygons, ignore, found.polygons, RULES)


# A brute-force twin


def twin(truths: list, ignore: list[bool], detections: list, rules: Rules) -> MatchCounts:
    """The site's rules, pair by pair."""
    regions = [Shape(p) for p, ignored in zip(truths, ignore, strict=True) if ignored]
    gt = [Shape(p) for p, ignored in zip(truths, ignore, strict=True) if not ignored]
    det = [
        d
        for d in map(Shape, detections)
        if all(d.intersection(r).area / d.area <= rules.precision for r in regions)
    ]

    def recall(g: int, d: int) -> float:
        return gt[g].intersection(det[d]).area / gt[g].area

    def precision(g: int, d: int) -> float:
        return gt[g].intersection(det[d]).area / det[d].area

    def detections_on(g: int) -> int:
        return sum(recall(g, d) > 0 for d in range(len(det)))

    def texts_in(d: int) -> int:
        return sum(recall(g, d) > 0 for g in range(len(gt)))

    free_gt, free_det = set(range(len(gt))), set(range(len(det)))
    recalled = precise = 0.0
    for g in range(len(gt)):
        for d in range(len(det)):
            alone = detections_on(g) == 1 and texts_in(d) == 1
            if alone and recall(g, d) >= rules.recall and precision(g, d) >= rules.precision:
                recalled, precise = recalled + 1, precise + 1
                free_gt.remove(g)
                free_det.remove(d)
    for g in sorted(free_gt):
        pieces = [d for d in sorted(free_det) if precision(g, d) >= rules.precision]
        if detections_on(g) >= 2 and round(sum(recall(g, d) for d in pieces), 4) >= rules.recall:
            worth = 1 if len(pieces) == 1 else rules.split
            recalled, precise = recalled + worth, precise + worth * len(pieces)
            free_gt.remove(g)
            free_det -= set(pieces)
    for d in sorted(free_det):
        texts = [g for g in sorted(free_gt) if recall(g, d) >= rules.recall]
        if texts_in(d) >= 2 and round(sum(precision(g, d) for g in texts), 4) >= rules.precision:
            worth = 1 if len(texts) == 1 else rules.merge
            recalled, precise = recalled + worth * len(texts), precise + worth
            free_gt -= set(texts)
    return MatchCounts(recalled, precise, len(gt), len(det))


def assert_equal(truths: list, ignore: list[bool], detections: list, rules: Rules) -> None:
    ours, theirs = evaluate(truths, ignore, detections, rules), twin(truths, ignore, detections, rules)
    assert (ours.recalled, ours.precise) == pytest.approx((theirs.recalled, theirs.precise))
    assert (ours.cared_truths, ours.cared_detections) == (theirs.cared_truths, theirs.cared_detections)


@settings(deadline=None)
@given(truths=boxes, detections=boxes, rules=st.sampled_from([RULES, TOTAL_TEXT_RULES]), data=st.data())
def test_agrees_with_its_twin(truths: list, detections: list, rules: Rules, data: st.DataObject) -> None:
    ignore = data.draw(st.lists(st.booleans(), min_size=len(truths), max_size=len(truths)))
    assert_equal(truths, ignore, detections, rules)


@settings(deadline=None)
@given(truths=quads, detections=quads)
def test_any_outlines_give_scores_from_0_to_1(truths: list, detections: list) -> None:
    counts = evaluate(truths, [False] * len(truths), detections)
    assert 0 <= counts.recall <= 1
    assert 0 <= counts.precision <= 1


@given(rows=st.lists(st.integers(0, 12), max_size=8, unique=True))
def test_what_is_found_exactly_scores_1(rows: list[int]) -> None:
    texts = [box(0, 10 * row, 30, 10 * row + 8) for row in rows]
    counts = evaluate(texts, [False] * len(texts), texts)
    assert counts == MatchCounts(len(rows), len(rows), len(rows), len(rows))


# MMOCR's examples


def test_one_to_one() -> None:
    counts = evaluate([box(0, 0, 1, 1)], [False], [box(0, 0, 1, 1), box(10, 0, 11, 1)])
    assert (counts.recall, counts.precision, counts.hmean) == pytest.approx((1, 0.5, 2 * 0.5 / 1.5))


def test_one_to_many() -> None:
    counts = evaluate([box(0, 0, 2, 1)], [False], [box(0, 0, 1, 1), box(1, 0, 2, 1)])
    assert (counts.recall, counts.precision, counts.hmean) == pytest.approx((0.8, 0.8, 0.8))


def test_many_to_one() -> None:
    texts = [box(0, 0, 1, 1), box(1, 0, 2, 1)]
    counts = evaluate(texts, [False, False], [box(0, 0, 2, 1)], Rules(precision=0.6))
    assert (counts.recall, counts.precision, counts.hmean) == (1, 1, 1)
    merged = evaluate(texts, [False, False], [box(0, 0, 2, 1)], TOTAL_TEXT_RULES)
    assert (merged.recall, merged.precision) == pytest.approx((0.8, 0.8))


# By hand


def test_limits_are_inclusive() -> None:
    text = box(0, 0, 10, 10)
    assert evaluate([text], [False], [box(2, 0, 10, 10)]).recall == 1
    assert evaluate([text], [False], [box(2.1, 0, 10, 10)]).recall == 0
    assert evaluate([text], [False], [box(0, 0, 25, 10)]).recall == 1
    assert evaluate([text], [False], [box(0, 0, 25.1, 10)]).recall == 0


def test_a_detection_mostly_in_a_dont_care_region_is_dropped() -> None:
    region = box(0, 0, 10, 10)
    assert evaluate([region], [True], [box(0, 0, 10, 25)]).cared_detections == 1
    assert evaluate([region], [True], [box(0, 0, 10, 24)]).cared_detections == 0


def test_unusable_outlines_are_ignored() -> None:
    assert evaluate([np.zeros((2, 2))], [False], [box(0, 0, np.nan, 1)]) == MatchCounts()


def test_scores_are_zero_where_undefined() -> None:
    nothing = evaluate([], [], [])
    assert (nothing.precision, nothing.recall, nothing.hmean) == (0, 0, 0)

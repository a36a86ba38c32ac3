"""TIoU against published figures, a twin that counts pixels, and the examples of the paper."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.outlines import (
    CTW1500,
    FIXTURES,
    ICDAR_2015,
    TOTAL_TEXT,
    box,
    boxes,
    needs_fixtures,
    published,
    quads,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.metrics.match_counts import MatchCounts
from ocr_trainer.metrics.tiou import evaluate

# Published submissions


@needs_fixtures
@pytest.mark.parametrize(
    ("submission", "key"),
    [
        (ICDAR_2015, "tiou_icdar2015 TIoU"),
        (TOTAL_TEXT, "baseline.zip, IoU 0.5"),
        (CTW1500, "det_ctw1500.zip, IoU 0.5"),
    ],
    ids=["icdar2015", "totaltext", "ctw1500"],
)
def test_the_authors_figures(submission: tuple[str, str], key: str) -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
    (figures,) = (value for name, value in expected.items() if name.endswith(key))
    recall, precision, hmean = figures.get("tiou") or [
        figures[f"tiou_{name}"] for name in ("recall", "precision", "hmean")
    ]
    total = MatchCounts()
    for truth, ignore, found in published(*submission):
        total += evaluate(truth.polygons, ignore, found.polygons)
    assert [round(score, 3) for score in (total.recall, total.precision, total.hmean)] == [
        recall,
        precision,
        hmean,
    ]


# A twin that counts pixels


def twin(truths: list, ignore: list[bool], detections: list) -> MatchCounts:
    """The definitions of the paper on a grid of unit pixels."""
    gt, det = ([_pixels(outline) for outline in outlines] for outlines in (truths, detections))
    regions = [g for g, ignored in zip(gt, ignore, strict=True) if ignored]
    det = [d for d in det if all((d & r).sum() / d.sum() <= 0.5 for r in regions)]
    recalled, precise, taken = 0.0, 0.0, set()
    for place, g in enumerate(gt):
        for number, d in enumerate(det):
            iou = (g & d).sum() / (g | d).sum()
            if ignore[place] or number in taken or iou <= 0.5:
                continue
            taken.add(number)
            others = np.any([other for n, other in enumerate(gt) if n != place] or [np.zeros_like(g)], axis=0)
            cut, outlier = (g & ~d).sum() / g.sum(), (d & others & ~g).sum() / d.sum()
            recalled += iou * (1 - cut if cut > 0.01 else 1)
            precise += iou * (1 - outlier if outlier > 0.01 else 1)
            break
    return MatchCounts(recalled, precise, ignore.count(False), len(det))


def _pixels(outline: np.ndarray) -> np.ndarray:
    (x0, y0), (x1, y1) = outline.min(0).astype(int), outline.max(0).astype(int)
    grid = np.zeros((16, 16), dtype=bool)
    grid[y0:y1, x0:x1] = True
    return grid


@settings(deadline=None)
@given(truths=boxes, detections=boxes, data=st.data())
def test_agrees_with_its_twin(truths: list, detections: list, data: st.DataObject) -> None:
    ignore = data.draw(st.lists(st.booleans(), min_size=len(truths), max_size=len(truths)))
    ours, theirs = evaluate(truths, ignore, detections), twin(truths, ignore, detections)
    assert (ours.recalled, ours.precise) == pytest.approx((theirs.recalled, theirs.precise))
    assert (ours.cared_truths, ours.cared_detections) == (theirs.cared_truths, theirs.cared_detections)


@settings(deadline=None)
@given(truths=quads, detections=quads)
def test_any_outlines_give_scores_from_0_to_1(truths: list, detections: list) -> None:
    counts = evaluate(truths, [False] * len(truths), detections)
    assert 0 <= counts.recall <= 1
    assert 0 <= counts.precision <= 1


# By hand


def test_a_cut_text_costs_recall_and_a_margin_does_not() -> None:
    """Both have an IoU of 2/3: figure 1 of the paper shows such pairs."""
    text = box(0, 0, 12, 4)
    cut, margin = evaluate([text], [False], [box(0, 0, 8, 4)]), evaluate([text], [False], [box(0, 0, 12, 6)])
    assert (cut.recall, cut.precision) == pytest.approx((2 / 3 * 2 / 3, 2 / 3))
    assert (margin.recall, margin.precision) == pytest.approx((2 / 3, 2 / 3))


def test_a_part_of_another_text_costs_precision() -> None:
    counts = evaluate([box(0, 0, 12, 4), box(12, 0, 24, 4)], [False, False], [box(0, 0, 15, 4)])
    assert counts.recalled == pytest.approx(12 / 15)
    assert counts.precise == pytest.approx(12 / 15 * (1 - 3 / 15))


def test_one_percent_is_tolerated() -> None:
    text = box(0, 0, 100, 10)
    assert evaluate([text], [False], [box(1, 0, 100, 10)]).recall == pytest.approx(0.99)
    assert evaluate([text], [False], [box(1.5, 0, 100, 10)]).recall == pytest.approx(0.985**2)


@given(rows=st.lists(st.integers(0, 12), max_size=8, unique=True))
def test_what_is_found_exactly_scores_1(rows: list[int]) -> None:
    texts = [box(0, 10 * row, 30, 10 * row + 8) for row in rows]
    counts = evaluate(texts, [False] * len(texts), texts)
    assert counts == MatchCounts(len(rows), len(rows), len(rows), len(rows))


def test_indices_skip_unusable_outlines() -> None:
    line, text = np.zeros((2, 2)), box(0, 0, 10, 10)
    assert evaluate([line, text], [False, False], [line, line, text]) == MatchCounts(1, 1, 1, 1)


def test_scores_are_zero_where_undefined() -> None:
    nothing = evaluate([], [], [])
    assert (nothing.precision, nothing.recall, nothing.hmean) == (0, 0, 0)

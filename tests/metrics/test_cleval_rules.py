"""The rules of CLEval one by one, done by hand, and what the score must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.metrics.character_matching import inside
from ocr_trainer.metrics.character_points import Rings, centers
from ocr_trainer.metrics.cleval import Counts, Tally, evaluate


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


WORD = box(0, 0, 40, 10)  # "word": a character every 10 pixels, at 5, 15, 25, 35


def test_a_perfect_reading() -> None:
    counts = evaluate([WORD], ["word"], [False], [WORD], ["word"])
    assert counts == Counts(Tally(4, 4, 4), Tally(4, 4, 4))
    assert (counts.detection.hmean, counts.end_to_end.hmean) == (1, 1)


def test_part_of_a_word() -> None:
    counts = evaluate([WORD], ["word"], [False], [box(0, 0, 20, 10)], ["wo"])
    assert counts == Counts(Tally(4, 2, 2), Tally(4, 2, 2))


def test_a_word_in_two_pieces_costs_one_character() -> None:
    counts = evaluate([WORD], ["word"], [False], [box(20, 0, 40, 10), box(0, 0, 20, 10)], ["rd", "wo"])
    assert counts.split == 1
    assert counts.detection == counts.end_to_end == Tally(4, 4, 4, split_penalty=1)
    assert (counts.detection.recall, counts.detection.precision) == (3 / 4, 1)


def test_two_words_in_one_detection_cost_one_character() -> None:
    ground_truths = [WORD, box(50, 0, 90, 10)]
    counts = evaluate(ground_truths, ["four", "four"], [False, False], [box(0, 0, 90, 10)], ["four four"])
    assert counts.merged == 1
    assert counts.detection == Tally(8, 8, 8, merge_penalty=1)
    assert counts.end_to_end == Tally(8, 9, 8, false_positives=1, merge_penalty=1)


def test_a_character_found_twice_counts_once() -> None:
    counts = evaluate([WORD], ["word"], [False], [box(0, 0, 30, 10), box(20, 0, 40, 10)])
    assert counts.overlapped == 1
    assert counts.detection == Tally(4, 5, 4, split_penalty=1)


@pytest.mark.parametrize(("wrong", "characters"), [(box(0, 50, 40, 60), 1), (box(0, 50, 10, 90), 4)])
def test_a_detection_of_nothing_counts_by_its_height_over_its_width(
    wrong: np.ndarray, characters: int
) -> None:
    counts = evaluate([WORD], ["word"], [False], [WORD, wrong])
    assert counts.detection == Tally(4, 4 + characters, 4, characters)


def test_a_detection_mostly_beside_the_word_does_not_match() -> None:
    assert evaluate([WORD], ["word"], [False], [box(0, 0, 40, 33)]).detection.matched == 4
    assert evaluate([WORD], ["word"], [False], [box(0, 0, 40, 34)]).detection.matched == 0


def test_detections_in_a_dont_care_region_are_not_scored() -> None:
    counts = evaluate([WORD], ["###"], [True], [WORD, box(0, 0, 40, 33)], ["any", "thing"])
    assert counts == Counts()
    assert evaluate([WORD], ["###"], [True], [box(0, 0, 40, 34)]).detection == Tally(0, 1, 0, 1)


def test_text_is_cut_out_of_a_dont_care_region() -> None:
    counts = evaluate([WORD, box(-50, -50, 90, 60)], ["word", "###"], [False, True], [WORD])
    assert counts.detection == Tally(4, 4, 4)


def test_readings_are_matched_in_order_and_used_up() -> None:
    counts = evaluate([WORD], ["word"], [False], [WORD], ["draw"])
    assert counts.end_to_end == Tally(4, 4, 1, 3)
    ground_truths = [box(0, 0, 20, 10), box(20, 0, 40, 10)]
    counts = evaluate(ground_truths, ["ab", "ab"], [False, False], [WORD], ["ab"])
    assert counts.end_to_end == Tally(4, 2, 2, merge_penalty=1)


def test_without_its_text_a_truth_is_as_long_as_it_looks() -> None:
    assert evaluate([WORD], [None], [False], [WORD]).detection == Tally(4, 4, 4)
    assert evaluate([WORD], [""], [False], [WORD]).detection == Tally(0, 1, 0, 1)
    assert evaluate([box(0, 0, 900, 10)], [None], [False], []).detection.ground_truths == 10


def test_upright_text_is_read_along_its_height() -> None:
    points, owners = centers(Rings.of([box(0, 0, 10, 40), WORD]), np.array([2, 2]))
    assert owners.tolist() == [0, 0, 1, 1]
    # As in the original, upwards.
    assert points.tolist() == [[5, 30], [5, 10], [10, 5], [30, 5]]


def test_characters_follow_a_bent_text() -> None:
    corner = np.array([(0, 0), (40, 0), (40, 40), (30, 40), (30, 10), (0, 10)], dtype=float)
    points, _ = centers(Rings.of([corner]), np.array([4]))
    # Its middle line: from (0, 5) to (35, 5), then down to (35, 40).
    assert points == pytest.approx(np.array([(8.75, 5), (26.25, 5), (35, 13.75), (35, 31.25)]))
    # Of five points the upper two face the lower three: the middle line has a bend at (10, 5).
    five = np.array([(0, 0), (20, 0), (20, 20), (10, 10), (0, 10)], dtype=float)
    points, _ = centers(Rings.of([five, WORD]), np.array([4, 1]))
    assert points.tolist() == [[2.5, 5], [7.5, 5], [12.5, 6.25], [17.5, 8.75], [20, 5]]


def test_a_polygon_of_more_points_scores_as_the_quadrilateral() -> None:
    dense = np.array(
        [(0, 0), (10, 0), (20, 0), (30, 0), (40, 0), (40, 10), (30, 10), (20, 10), (10, 10), (0, 10)]
    )
    for truth, found in ((dense, WORD), (WORD, dense), (dense, dense)):
        assert evaluate([truth], ["word"], [False], [found], ["word"]) == Counts(
            Tally(4, 4, 4), Tally(4, 4, 4)
        )


def test_a_point_between_neighbours_lies_in_one_of_them() -> None:
    grid = [box(x, y, x + 1, y + 1) for x in range(3) for y in range(3)]
    points = np.array([(x / 2, y / 2) for x in range(6) for y in range(6)])
    found, _ = inside(points, Rings.of(grid))
    assert found.tolist() == list(range(36))


BOW_TIE = np.array([(0, 0), (40, 10), (40, 0), (0, 10)], dtype=float)


@pytest.mark.parametrize(
    "polygon",
    [
        np.empty((0, 2)),
        np.array([(3.0, 3.0)]),
        np.array([(0.0, 0.0), (9.0, 9.0)]),
        box(0, 0, np.nan, 10),
        box(0, 0, np.inf, 10),
    ],
)
def test_what_is_no_polygon_is_skipped_on_both_sides(polygon: np.ndarray) -> None:
    assert evaluate([polygon], ["word"], [False], [polygon], ["word"]) == Counts()
    counts = evaluate([polygon, WORD], ["no", "word"], [True, False], [polygon, WORD], ["no", "word"])
    assert counts == Counts(Tally(4, 4, 4), Tally(4, 4, 4))


@pytest.mark.parametrize("polygon", [BOW_TIE, np.zeros((4, 2)), box(0, 0, 40, 0), box(0.2, 0.2, 0.8, 0.8)])
def test_outlines_that_cross_themselves_or_have_no_area_are_survived(polygon: np.ndarray) -> None:
    for ignore in (False, True):
        counts = evaluate([polygon, WORD], ["word", "word"], [ignore, False], [polygon, WORD])
        assert counts.detection.matched >= 4


def test_nothing_at_all() -> None:
    for counts in (evaluate([], [], [], [], []), evaluate([WORD], ["w"], [True], []), Counts()):
        assert counts == Counts()
        assert (counts.detection.recall, counts.detection.precision, counts.detection.hmean) == (0, 0, 0)
    assert evaluate([], [], [], [WORD]).detection == Tally(0, 1, 0, 1)


pages = st.lists(
    st.builds(
        lambda x, y, w, h: box(x, y, x + w, y + h),
        *(st.integers(0, 20), st.integers(0, 9), st.integers(1, 12), st.integers(1, 5)),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(ground_truths=pages, found=pages, data=st.data())
def test_order_and_place_do_not_matter_and_sums_are_those_of_the_set(
    ground_truths: list, found: list, data: st.DataObject
) -> None:
    texts = [None] * len(ground_truths)
    ignore = data.draw(st.lists(st.booleans(), min_size=len(ground_truths), max_size=len(ground_truths)))
    counts = evaluate(ground_truths, texts, ignore, found)
    order = data.draw(st.permutations(range(len(ground_truths))))
    shuffled = [ground_truths[i] for i in order], texts, [ignore[i] for i in order]
    assert evaluate(*shuffled, data.draw(st.permutations(found))) == counts
    # Two pages are one page with the second far to the right, regardless of their content.
    moved = [[p + np.array((1000, 0)) for p in side] for side in (ground_truths, found)]
    both = evaluate(ground_truths + moved[0], texts * 2, ignore * 2, found + moved[1])
    assert both == counts + counts
    assert counts.detection.matched <= min(counts.detection.ground_truths, counts.detection.detections)

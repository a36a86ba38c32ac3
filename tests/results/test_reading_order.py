"""Reading order on synthetic layouts and on real pages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from ocr_trainer_runtime.results.reading_order import Layout, reading_order, text_angle

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))

Page = list[tuple[float, float, str]]


def quads(page: Page) -> list[np.ndarray]:
    """Return boxes with the given top left corners, 10 pixels wide per character and 20 pixels high."""
    boxes = [(x, y, x + 10 * len(text), y + 20) for x, y, text in page]
    return [np.array([(a, b), (c, b), (c, d), (a, d)], np.float32) for a, b, c, d in boxes]


def rotated(polygons: list[np.ndarray], degrees: float) -> list[np.ndarray]:
    """Rotate polygons clockwise (y points down)."""
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [((p - 300) @ matrix + 300).astype(np.float32) for p in polygons]


def read(page: Page, polygons: list[np.ndarray] | None = None) -> list[list[str]]:
    """Return the lines of each block of a page; texts are passed in a random order."""
    shuffled = np.random.default_rng(3).permutation(len(page)).tolist()
    polygons = quads(page) if polygons is None else polygons
    texts = [page[i][2] for i in shuffled]
    layout = reading_order([polygons[i] for i in shuffled], texts)
    return [[" ".join(texts[i] for i in line) for line in block] for block in layout]


def flat(layout: Layout) -> list[int]:
    return [text for block in layout for line in block for text in line]


def prose(left: float, top: float, words: str, pitch: float = 30) -> Page:
    """Return justified lines of three words each."""
    page, listed = [], words.split()
    for number in range(0, len(listed), 3):
        x = left
        for word in listed[number : number + 3]:
            page.append((x, top + pitch * number / 3, word))
            x += 10 * len(word) + 6
    return page


ONE = "aaaaaa bbbbbb cccccc dddddd eeeeee ffffff gggggg hhhhhh iiiiii jjjjjj kkkkkk llllll"
TWO = ONE.upper()
LINES = [" ".join(ONE.split()[n : n + 3]) for n in (0, 3, 6, 9)]
UPPER = [line.upper() for line in LINES]

RECEIPT: Page = [
    (100, 0, "THE-SHOP"),
    (0, 40, "MILK"),
    (300, 41, "1.20"),
    (0, 70, "BREAD-AND-BUTTER"),
    (310, 69, "2.4"),
    (0, 100, "EGGS"),
    (290, 102, "13.50"),
    (0, 140, "TOTAL"),
    (290, 139, "17.10"),
]
ROWS = [["THE-SHOP", "MILK 1.20", "BREAD-AND-BUTTER 2.4", "EGGS 13.50", "TOTAL 17.10"]]


@pytest.mark.parametrize("shift", [0, 13])
def test_columns_are_read_from_left_to_right(shift: float):
    assert read(prose(0, 0, ONE) + prose(250, shift, TWO)) == [LINES, UPPER]


def test_a_title_and_a_footer_span_the_columns():
    title, footer = [(60, 0, "TITLE-OF-ALL-OF-THE-PAGE-HERE")], [(60, 300, "FOOTER-OF-ALL-OF-THE-PAGE-HERE")]
    page = title + prose(0, 60, ONE) + prose(250, 60, TWO) + footer
    assert read(page) == [[title[0][2]], LINES, UPPER, [footer[0][2]]]


def test_three_columns():
    page = prose(0, 0, ONE) + prose(250, 5, TWO) + prose(500, 0, ONE.replace("a", "z"))
    assert read(page) == [LINES, UPPER, [line.replace("a", "z") for line in LINES]]


def test_amounts_of_a_receipt_stay_with_their_items():
    assert read(RECEIPT) == ROWS


def test_a_table_is_read_by_rows():
    cells = [(120 * column, 40 * row, f"c{row}{column}") for row in range(5) for column in range(5)]
    assert read(cells) == [[" ".join(f"c{row}{column}" for column in range(5)) for row in range(5)]]


@pytest.mark.parametrize("degrees", [-40, -10, -3, 3, 10, 40, 90, -90, 180])
def test_a_rotated_page_has_the_same_order(degrees: float):
    for page, expected in ((RECEIPT, ROWS), (prose(0, 0, ONE) + prose(250, 0, TWO), [LINES, UPPER])):
        assert read(page, rotated(quads(page), degrees)) == expected


@pytest.mark.parametrize("degrees", [-30, 0, 30, 90])
def test_polygons_may_start_at_any_corner(degrees: float):
    polygons = [np.roll(p, k, axis=0) for k, p in enumerate(rotated(quads(RECEIPT), degrees))]
    assert read(RECEIPT, polygons) == ROWS
    assert np.rad2deg(text_angle(polygons)) == pytest.approx(degrees, abs=0.1)


def test_a_line_may_be_curved():
    page = [(60.0 * n, 9.0 * n, f"w{n:03}") for n in range(9)]
    below = [(x, y + 30, text.upper()) for x, y, text in page]
    expected = [" ".join(text for _, _, text in line) for line in (page, below)]
    assert read(page + below) == [expected]


def test_right_to_left():
    # The right column comes first, and its rightmost word is read first.
    hebrew = prose(0, 0, "אאאאאא בבבבבב גגגגגג " * 4)
    right = [(x + 250, y, text.replace("א", "ש")) for x, y, text in hebrew]
    left, first = (["גגגגגג בבבבבב " + a * 6] * 4 for a in "אש")
    assert read(hebrew + right) == [first, left]


def test_a_run_of_the_other_direction_keeps_its_direction():
    page = [
        (0, 0, "שלום"),
        (50, 0, "New"),
        (90, 0, "12"),
        (120, 0, "York"),
        (170, 0, "עולם"),
        (220, 0, "ותודה"),
    ]
    assert read(page) == [["ותודה עולם New 12 York שלום"]]
    latin = [(0, 0, "Hello"), (60, 0, "ב"), (80, 0, "א"), (100, 0, "world"), (160, 0, "again")]
    assert read(latin) == [["Hello א ב world again"]]


def test_no_text_one_text_and_degenerate_polygons():
    assert reading_order([]) == []
    assert reading_order(quads([(5, 5, "a")])) == [[[0]]]
    assert reading_order([np.zeros((4, 2), np.float32)] * 2) in ([[[0, 1]]], [[[0], [1]]])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-50, 900), st.integers(-50, 900), st.text(st.characters(codec="utf-8"), max_size=30)
        ),
        max_size=25,
    )
)
def test_each_text_appears_once_and_the_input_order_does_not_matter(page: Page):
    polygons, texts = quads(page), [text for _, _, text in page]
    layout = reading_order(polygons, texts)
    assert sorted(flat(layout)) == list(range(len(page)))
    assert all(line for block in layout for line in block)
    if len({(x + 5 * len(t), y) for x, y, t in page}) == len(page):  # no ties
        again = reading_order(polygons[::-1], texts[::-1])
        assert [len(page) - 1 - i for i in flat(again)] == flat(layout)


def agreement(layout: Layout) -> float:
    """Return Kendall's tau between a layout and the order of the annotation file."""
    return float(kendalltau(flat(layout), range(len(flat(layout)))).statistic)


@pytest.mark.skipif(not (DATA / "receipts_sroie2019").exists(), reason="receipts_sroie2019 is missing")
def test_receipts_are_read_nearly_in_the_order_of_their_annotations():
    taus, blocks = [], []
    for file in sorted((DATA / "receipts_sroie2019" / "box").glob("*.csv"))[::4]:
        rows = [row.split(",", 8) for row in file.read_text(encoding="utf-8").splitlines() if row.strip()]
        polygons = [np.array(row[:8], np.float32).reshape(4, 2) for row in rows]
        layout = reading_order(polygons, [row[8] for row in rows])
        taus.append(agreement(layout))
        blocks.append(len(layout))
    # Not 1: some annotation files list all amounts at the end.
    assert np.mean(taus) > 0.92
    assert np.median(taus) > 0.95
    assert np.mean(np.array(blocks) == 1) > 0.95


@pytest.mark.skipif(not (DATA / "forms_funsd").exists(), reason="forms_funsd is missing")
def test_words_of_a_form_entry_are_read_in_order():
    right = total = 0
    for file in sorted((DATA / "forms_funsd" / "training_data" / "annotations").glob("*.json"))[::6]:
        entries = json.loads(file.read_text(encoding="utf-8"))["form"]
        words = [
            (e, *word["box"], word["text"]) for e, entry in enumerate(entries) for word in entry["words"]
        ]
        polygons = [np.array([(a, b), (c, b), (c, d), (a, d)], np.float32) for _, a, b, c, d, _ in words]
        place = np.argsort(flat(reading_order(polygons, [word[-1] for word in words])))
        for entry in range(len(entries)):
            own = place[[n for n, word in enumerate(words) if word[0] == entry]]
            right += int((np.diff(own) > 0).sum())
            total += max(0, len(own) - 1)
    assert total > 500
    assert right / total > 0.98

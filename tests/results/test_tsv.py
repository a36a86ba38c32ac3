"""TSV with the columns of Tesseract is read back with the csv module."""

from __future__ import annotations

import csv
import io
import unicodedata

import numpy as np
from helpers.pages import AWKWARD, page
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.results import Page
from ocr_trainer_runtime.results import tsv

# The header and the first rows that `tesseract image - tsv` writes.
HEADER = [
    *("level", "page_num", "block_num", "par_num", "line_num", "word_num"),
    *("left", "top", "width", "height", "conf", "text"),
]


def rows_of(found: Page) -> list[dict[str, str]]:
    text = tsv.write(found)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert text.endswith("\n")
    # Readers that split lines by Unicode's rules see the same rows.
    assert len(text.splitlines()) == len(rows) + 1
    return rows


def numbers(row: dict[str, str]) -> list[int]:
    return [int(row[column]) for column in HEADER[:10]]


def test_rows_go_from_the_page_to_its_words():
    rows = rows_of(page("one", "two", "three"))
    assert list(rows[0]) == HEADER
    assert [numbers(row) for row in rows] == [
        [1, 1, 0, 0, 0, 0, 0, 0, 400, 300],
        [2, 1, 1, 0, 0, 0, 20, 20, 350, 65],
        [3, 1, 1, 1, 0, 0, 20, 20, 350, 65],
        [4, 1, 1, 1, 1, 0, 20, 20, 350, 25],
        [5, 1, 1, 1, 1, 1, 20, 20, 150, 25],
        [5, 1, 1, 1, 1, 2, 220, 20, 150, 25],
        [4, 1, 1, 1, 2, 0, 20, 60, 150, 25],
        [5, 1, 1, 1, 2, 1, 20, 60, 150, 25],
    ]
    assert [(float(row["conf"]), row["text"]) for row in rows if row["level"] == "5"] == [
        (50.0, "one"),
        (50.0, "two"),
        (50.0, "three"),
    ]
    assert all((row["conf"], row["text"]) == ("-1", "") for row in rows if row["level"] != "5")


def test_texts_keep_quotes_and_lose_tabs():
    words = [row["text"] for row in rows_of(page(*AWKWARD)) if row["level"] == "5"]
    assert words == [*AWKWARD[:3], "tab here"]


def test_without_a_recognizer_words_have_boxes_only():
    rows = rows_of(page("one", "two", read=False))
    assert [(row["level"], row["conf"], row["text"]) for row in rows[-2:]] == [("5", "-1", "")] * 2


def test_a_page_without_detections_has_one_row():
    assert [numbers(row) for row in rows_of(page())] == [[1, 1, 0, 0, 0, 0, 0, 0, 400, 300]]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_any_text_is_read_back(texts: list[str]):
    found = page(*texts)
    words = [row["text"] for row in rows_of(found) if row["level"] == "5"]
    kept = [word.text for word in found.words]
    assert len(words) == len(kept)
    for word, text in zip(words, kept, strict=True):
        control = [unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text]
        assert word == "".join(np.where(control, " ", list(text))) if text else word == ""

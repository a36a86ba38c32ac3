"""Conversion between logical and visual order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.text.bidi import to_visual, visual_order


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("abc 12", "abc 12"),
        ("한글 12", "한글 12"),
        ("שלום", "םולש"),
        ("שלום עולם", "םלוע םולש"),
        ("מחיר 12.50 שח", "חש 12.50 ריחמ"),
        ("שלום abc", "abc םולש"),
        ("see שלום there", "see םולש there"),
        ("page אב 12 גד end", "page דג 12 בא end"),
        # Arabic digits and letters.
        ("رقم ١٢٣", "١٢٣ مقر"),
        # A vowel point stays after its letter.
        ("בָּא", "אבָּ"),
        ("e\u0364st", "e\u0364st"),
    ],
)
def test_known_texts(typed: str, seen: str):
    assert to_visual(typed) == seen
    assert to_visual(seen) == typed


@given(st.text("ab אבג12.,-()\u05b8é"))
def test_the_conversion_is_a_permutation_and_its_own_inverse(text: str):
    text = text.lstrip("\u05b8")  # a mark needs a base character
    order = visual_order(text)
    assert sorted(order) == list(range(len(text)))
    assert to_visual(to_visual(text)) == text


@given(st.text("אבגדה ", min_size=1))
def test_a_text_of_hebrew_letters_only_is_reversed(text: str):
    assert to_visual(text) == text[::-1] or not text.strip()

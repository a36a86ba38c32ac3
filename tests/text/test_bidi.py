"""Conversion between logical and visual order."""

from __future__ import annotations

import pytest
from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer_runtime.text.bidi import logical_order, right_to_left, to_logical, to_visual, visual_order

HEBREW, ARABIC = "אבגד", "سشصض"
SIGNS = " .,:/-+%$₪()[]!"


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
        # Numbers with a space between them are two, one sign between them makes them one.
        ("אב 12 34", "34 12 בא"),
        ("אב 10 - 20", "20 - 10 בא"),
        ("אב 10, 20", "20 ,10 בא"),
        ("אב 1-2", "1-2 בא"),
        ("אב 1--2", "2--1 בא"),
        ("אב 12/03/1996", "12/03/1996 בא"),
        ("אב 03 1234567", "1234567 03 בא"),
        ("אב 50%", "50% בא"),
        ("אב ₪50", "₪50 בא"),
        ("אב 50 ₪", "₪ 50 בא"),
        # Digits in an Arabic line are Arabic numbers, which a hyphen does not join.
        ("سش 2024-01-15", "15-01-2024 شس"),
        ("سش 12.5", "12.5 شس"),
        # What stands between two Arabic numbers runs from right to left in a line without letters, too.
        ("٢٠٢٤ - ٠١", "٠١ - ٢٠٢٤"),
        ("٢٠٢٤/٠١", "٢٠٢٤/٠١"),
        ("no ١٢ ٣٤", "no ٣٤ ١٢"),
        ("رقم ١٢٣", "١٢٣ مقر"),
        ("رقم ٩ ٤٢٢٢", "٤٢٢٢ ٩ مقر"),
        ("سش ٣٫٥", "٣٫٥ شس"),
        # A vowel point stays after its letter.
        ("בָּא", "אבָּ"),
        ("e\u0364st", "e\u0364st"),
    ],
)
def test_known_texts(typed: str, seen: str):
    assert to_visual(typed) == seen
    assert to_logical(seen) == typed


LINES = st.one_of(
    st.text(f"{HEBREW}123{SIGNS}"),
    st.text(f"{ARABIC}123٤٥٫{SIGNS}"),
    st.text(f"abc{HEBREW}12{SIGNS}"),
    st.text(f"ab{HEBREW}{ARABIC}12٤{SIGNS}"),
)


@given(LINES)
def test_the_visual_order_is_that_of_a_reference_implementation(text: str):
    base = "R" if right_to_left(text) else "L"
    assert to_visual(text) == get_display(text, base_dir=base)


@given(st.text(f"abc{HEBREW}12{SIGNS}\u05b8"))
def test_both_conversions_are_permutations(text: str):
    for order in (visual_order(text), logical_order(text)):
        assert sorted(order) == list(range(len(text)))


@given(st.one_of(st.text(f"abc{HEBREW}12{SIGNS}"), st.text(f"{ARABIC}12٤٥٫{SIGNS}")))
def test_a_converted_text_is_drawn_as_it_was_read(text: str):
    assert to_visual(to_logical(to_visual(text))) == to_visual(text)


NUMBER = st.from_regex(r"(₪|\$|-)?[0-9]{1,4}([.,/:-][0-9]{1,3}){0,2}%?", fullmatch=True)
WORD = st.text(HEBREW, min_size=1, max_size=4)


@given(WORD, st.lists(st.one_of(NUMBER, WORD), max_size=5), st.sampled_from([" ", " - ", ", "]))
def test_a_hebrew_line_of_words_and_numbers_is_restored(first: str, words: list[str], between: str):
    text = between.join([first, *words])
    assert to_logical(to_visual(text)) == text


ARABIC_NUMBER = st.from_regex(r"[٠-٩]{1,4}(٫[٠-٩]{1,2})?|[0-9]{1,4}([.,/-][0-9]{1,2}){0,2}", fullmatch=True)


@given(st.lists(st.one_of(ARABIC_NUMBER, st.text(ARABIC, min_size=1, max_size=4)), max_size=5))
def test_an_arabic_line_of_words_and_numbers_is_restored(words: list[str]):
    text = " ".join(["سعر", *words])
    assert to_logical(to_visual(text)) == text


def test_a_number_beside_latin_letters_is_restored_behind_them():
    # Both are drawn alike, by any implementation of the algorithm.
    assert to_visual("אב kg 5") == to_visual("אב 5 kg") == "kg 5 בא"
    assert get_display("אב kg 5") == get_display("אב 5 kg")
    assert to_logical("kg 5 בא") == "אב kg 5"


@given(st.text("אבגדה ", min_size=1))
def test_a_text_of_hebrew_letters_only_is_reversed(text: str):
    assert to_visual(text) == text[::-1] or not text.strip()

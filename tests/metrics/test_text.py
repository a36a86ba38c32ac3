"""Text scores against published scores, a reference edit distance, and Unicode's character names."""

from __future__ import annotations

import json
import pickle
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.metrics.hangul import has_hangul, to_jamo
from ocr_trainer.metrics.text import TextTally, count_text, count_texts

Pairs = list[tuple[str, str]]


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the edit distance by the Wagner-Fischer algorithm."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1]


def scores(*pairs: tuple[str, str]) -> dict[str, float]:
    return count_texts(pairs).scores()


# Published scores: the examples in MMOCR's and mindocr's tests


def test_word_accuracy_of_mmocr() -> None:
    found = scores(("hello", "hello"), ("HELLO", "hello"), ("$HELLO$", "hello"))
    assert found["word_accuracy"] == pytest.approx(1 / 3)
    assert found["word_accuracy_ignore_case"] == pytest.approx(2 / 3)
    assert found["word_accuracy_alphanumeric"] == 1.0


def test_characters_of_mmocr() -> None:
    found = scores(("hello", "helL"), ("HELLO", "HEL"))
    assert found["char_recall"] == pytest.approx(0.7)
    assert found["char_precision"] == 1.0


def test_ned_of_mmocr() -> None:
    """MMOCR computes it in lower case and without symbols."""
    found = scores(("hello", "predhell"), ("hello", "hel"))
    assert found["ned_mean"] == found["ned_icdar2019"] == pytest.approx(0.4875)


def test_figures_of_mindocr() -> None:
    """mindocr computes them in lower case, without spaces and symbols."""
    found = scores(("balala", "baxlala"), ("ba", "ba"))
    assert found["word_accuracy"] == 0.5
    assert found["ned_mean"] == pytest.approx(0.92857, abs=1e-5)


# Definitions of the scores


def test_empty_texts() -> None:
    for pair, icdar, mean, cer in [(("", ""), 0, 1, 0), (("", "a"), 0, 0, 1), (("a", ""), 0, 0, 1)]:
        found = scores(pair)
        assert (found["ned_icdar2019"], found["ned_mean"], found["cer"], found["wer"]) == (
            icdar,
            mean,
            cer,
            cer,
        )
    assert set(TextTally().scores().values()) == {0.0}
    assert TextTally().details() == {"by_length": {}, "by_character": [], "confusions": []}


@pytest.mark.parametrize(
    ("truth", "read", "equal"),
    [
        ("CAFÉ!", "café", True),
        ("Straße", "STRAẞE", True),
        ("a-b", "AB", True),
        ("한국", "한국.", True),
        ("한국", "한글", False),  # letters of all scripts count
        ("कि", "क", False),  # and so do the marks of letters
        ("ΟΔΟΣ", "οδος", True),
    ],
)
def test_letters_and_digits_only(truth: str, read: str, equal: bool) -> None:
    found = scores((truth, read))
    assert found["word_accuracy_alphanumeric"] == equal
    assert found["word_accuracy"] == 0


ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)


@given(ascii_text, ascii_text)
def test_ascii_is_compared_as_the_benchmarks_do(truth: str, read: str) -> None:
    as_there = [re.sub("[^0-9a-z]", "", text.lower()) for text in (truth, read)]
    assert scores((truth, read))["word_accuracy_alphanumeric"] == (as_there[0] == as_there[1])


def test_normal_forms_are_no_errors() -> None:
    found = count_texts([(unicodedata.normalize("NFD", word), word) for word in ("한국어", "Übung", "שָׁלוֹם")])
    assert found.exact == 3
    assert found.scores()["jamo_error_rate"] == 0.0


letters = st.text("ab Aé-한하", max_size=7)
pairs = st.lists(st.tuples(letters, letters), max_size=8)


@given(pairs)
def test_rates_equal_those_of_the_reference_distance(pairs: Pairs) -> None:
    found = scores(*pairs)
    distance = sum(edit_distance(truth, read) for truth, read in pairs)
    length = sum(len(truth) for truth, _ in pairs)
    assert found["cer"] == pytest.approx(distance / length if length else float(distance > 0))
    words = [(truth.split(), read.split()) for truth, read in pairs]
    if total := sum(len(truth) for truth, _ in words):
        assert found["wer"] == pytest.approx(sum(edit_distance(*pair) for pair in words) / total)
    longer = [(edit_distance(*pair), max(map(len, pair))) for pair in pairs]
    if pairs:
        mean = sum(1 - distance / length if length else 1 for distance, length in longer) / len(pairs)
        assert found["ned_mean"] == pytest.approx(mean)


@given(pairs)
def test_confusions_lead_from_truth_to_reading(pairs: Pairs) -> None:
    """They are as many as the edit distance, and convert the characters of one text to those of the other."""
    for truth, read in pairs:
        tally = count_text(truth, read)
        assert tally.confusions.total() == edit_distance(truth, read)
        turned = Counter(truth)
        for (wrong, right), count in tally.confusions.items():
            turned[wrong] -= count
            turned[right] += count
        del turned[""]
        assert +turned == Counter(read)


@given(pairs, st.integers(0, 8))
def test_tallies_add_up(pairs: Pairs, place: int) -> None:
    whole = count_texts(pairs)
    parts = count_texts(pairs[:place]) + pickle.loads(pickle.dumps(count_texts(pairs[place:])))
    singly = reduce(add, (count_text(*pair) for pair in pairs), TextTally())
    for total in (parts, singly):
        assert total.details() == whole.details()
        assert total.scores() == pytest.approx(whole.scores())


def test_adding_leaves_the_parts_alone() -> None:
    one, other = count_text("ab", "a"), count_text("c", "d")
    _ = one + other
    assert (one.texts, one.characters, other.confusions) == (1, Counter("ab"), Counter({("c", "d"): 1}))


# Breakdown of the errors


def test_details() -> None:
    found = count_texts([("o", "0"), ("oo", "0o"), ("rn", "m"), ("abcde", "abcde"), ("abcdef", "abcdefx")])
    details = json.loads(json.dumps(found.details()))
    assert details["by_length"] == {
        "1": {"texts": 1, "word_accuracy": 0.0, "cer": 1.0},
        "2": {"texts": 2, "word_accuracy": 0.0, "cer": 0.75},
        "5 to 6": {"texts": 2, "word_accuracy": 0.5, "cer": pytest.approx(1 / 11)},
    }
    assert details["by_character"][0] == {"character": "o", "count": 3, "right": 1}
    assert {entry["character"] for entry in details["by_character"]} == {"o", "r", "n"}
    assert details["confusions"][0] == {"truth": "o", "read": "0", "count": 2}
    assert {"truth": "", "read": "x", "count": 1} in details["confusions"]


def test_lengths_have_a_class() -> None:
    tally = count_texts([("x" * n, "") for n in range(60)])
    classes = tally.details()["by_length"]
    assert list(classes)[:3] == ["0", "1", "2"]
    assert list(classes)[-2:] == ["21 to 40", "over 40"]
    assert sum(entry["texts"] for entry in classes.values()) == 60


# Hangul


def test_jamo_are_those_of_unicode() -> None:
    """They match each syllable's decomposition by the names of its letters."""
    for code in range(ord("가"), ord("힣") + 1):
        decomposed = unicodedata.normalize("NFD", chr(code))
        names = (unicodedata.name(letter).split()[2] for letter in decomposed)
        assert to_jamo(chr(code)) == "".join(unicodedata.lookup(f"HANGUL LETTER {name}") for name in names)
    assert to_jamo("a 각ㅋ") == "a ㄱㅏㄱㅋ"


def test_jamo_error_rate() -> None:
    found = scores(("녕", "넝"), ("하", "하"), ("abc", "xyz"))
    assert found["jamo_error_rate"] == pytest.approx(1 / 5)  # ㅕ for ㅓ; texts without Hangul do not count
    assert "jamo_error_rate" not in scores(("abc", "한글"))
    assert has_hangul("ㅋ")
    assert not has_hangul("漢字 kana かな")

"""The charset of a run, and what the data has beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.plugin import DataReport
from ocr_trainer.tasks.recognition.charset import Codec, choose, remap_charset_rows
from ocr_trainer.tasks.recognition.config import CharsetConfig, Unknown
from ocr_trainer.tasks.recognition.coverage import (
    check_possible_characters,
    cover,
    decide,
    survey,
    usable,
)


def split_of(*texts: str, files: Sequence[str] = ()) -> SimpleNamespace:
    return SimpleNamespace(texts=list(texts), files=list(files) or [f"{i}.png" for i in range(len(texts))])


def test_without_a_source_the_data_gives_the_charset():
    assert choose(CharsetConfig(), "cab ", before="") == " abc"


def test_sources_add_up_and_characters_come_first_in_their_order():
    config = CharsetConfig(characters="zy", names=["digits"], from_data=True)
    assert choose(config, "yé", before="") == "zy0123456789é"


def test_a_given_charset_does_not_grow_by_the_data_or_the_checkpoint():
    assert choose(CharsetConfig(characters="ab"), "xyz", before="q") == "ab"


def test_where_the_data_decides_the_characters_of_the_checkpoint_are_kept():
    assert choose(CharsetConfig(), "bc", before="ab") == "abc"


def test_replacement_becomes_a_character():
    assert choose(CharsetConfig(characters="ab", unknown=Unknown.replace, replacement="?"), "", "") == "ab?"


def test_no_charset_at_all_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match=r"the charset is empty(.|\n)*charset\.names=\[latin,digits\]"):
        choose(CharsetConfig(), "", before="")


def test_decomposed_characters_are_composed():
    assert choose(CharsetConfig(characters="e\u0301"), "", before="") == "é"
    assert dict(survey(["\u1112\u1161\u11ab"]).characters) == {"한": 1}


def test_a_survey_counts_what_was_put_right_and_what_cannot_be():
    found = survey(["a b", "a  b\n", "e\u0301", "bell\x07", " \t"])
    assert (found.texts, found.changed) == (5, 2)
    assert list(found.unusable) == [3, 4]
    assert "U+0007" in found.unusable[3]
    assert found.characters == {"a": 2, "b": 2, " ": 2, "é": 1}


def covered(charset: str, *texts: str):
    split = split_of(*texts)
    return split, cover("train", split, survey(split.texts), charset)


def test_coverage_names_character_count_and_files():
    _, found = covered("ab", "ab", "aüü", "ü", "aß")
    assert found.to_dict()["unknown"] == [
        {"character": "ü", "count": 3, "files": ["1.png", "2.png"]},
        {"character": "ß", "count": 1, "files": ["3.png"]},
    ]
    assert found.to_dict()["with_unknown_characters"] == 3
    found.decision = "nothing"
    assert str(found) == (
        "train: the charset lacks 2 characters of the data: 4 of 8, in 3 of 4 texts; nothing\n"
        "  'ü' (U+00FC LATIN SMALL LETTER U WITH DIAERESIS): 3 times, as in 1.png, 2.png\n"
        "  'ß' (U+00DF LATIN SMALL LETTER SHARP S): 1 times, as in 3.png"
    )


@given(st.lists(st.text("abc\u0301é ", max_size=6), max_size=12), st.text("abcé ", min_size=1))
def test_coverage_is_what_counting_by_hand_finds(texts: list[str], charset: str):
    from ocr_trainer.text.normalize import clean

    _, found = covered(charset, *texts)
    unknown = [c for text in texts for c in clean(text) if c not in charset]
    assert found.unknown == {c: unknown.count(c) for c in unknown}
    assert set(found.lacking) == {i for i, text in enumerate(texts) if set(clean(text)) - set(charset)}


def test_unknown_error_refuses_the_run():
    _, found = covered("ab", "aü")
    with pytest.raises(DataError, match=r"'ü'(.|\n)*charset\.from_data=true"):
        decide(found, Unknown.error, "?")


def test_unknown_skip_leaves_texts_out_and_control_characters_go_into_the_data_report():
    split, found = covered("ab", "ab", "aü", "b\x07", "b")
    decide(found, Unknown.skip, "?")
    data_report = DataReport()
    assert list(usable(found, Unknown.skip, split, data_report) or ()) == [0, 3]
    assert [entry.file for entry in data_report.skipped] == ["2.png"]


def test_unknown_replace_keeps_the_texts():
    split, found = covered("ab?", "ab", "aü")
    decide(found, Unknown.replace, "?")
    assert usable(found, Unknown.replace, split, DataReport()) is None
    assert Codec("ab?", "?").encode("aü").tolist() == [0, 2]


def test_tensors_of_another_model_are_not_carried_over():
    found, own = {"b": torch.ones(7)}, {"b": torch.zeros(4)}
    assert dict(remap_charset_rows(found, own, {"b": 1}, "", "abc")) == {}


def test_a_charset_is_never_taken_for_an_interpolation():
    assert "${" not in choose(CharsetConfig(from_data=True), "{$", before="")


def test_characters_that_a_dataset_can_write_are_checked(capsys: pytest.CaptureFixture[str]):
    assert check_possible_characters(set(), Unknown.error, "?") == {}
    with pytest.raises(DataError, match=r"'x' \(U\+0078 LATIN SMALL LETTER X\); the run is refused"):
        check_possible_characters({"x"}, Unknown.error, "?")
    assert check_possible_characters({"x", "a"}, Unknown.skip, "?")["lacking"] == "ax"
    assert "these texts are left out" in capsys.readouterr().err


def test_codec_names_what_it_cannot_write():
    assert Codec(" 가").encode("가 가").tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=r"'x' \(U\+0078 LATIN SMALL LETTER X\) is not in the charset"):
        Codec(" 가").encode("가x")


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_rows_follow_their_characters(old: list[str], new: list[str], first: int, behind: int):
    def tensor(charset: list[str], mark: int) -> torch.Tensor:
        special = [f"<{i}" for i in range(first)]
        names = [*special, *charset, *(f">{i}" for i in range(behind))]
        return torch.tensor([[mark + sum(map(ord, name))] for name in names])

    found, own = {"w": tensor(old, 0)}, {"w": tensor(new, 1000)}
    (taken,) = dict(remap_charset_rows(found, own, {"w": first}, "".join(old), "".join(new))).values()
    expected = tensor(new, 0)
    for place, character in enumerate(new):
        if character not in old:
            expected[first + place] = own["w"][first + place]
    assert np.array_equal(taken, expected)

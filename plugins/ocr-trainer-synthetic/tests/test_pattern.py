"""Patterns of words, compared with `re`, and the validation of the options of words."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_synthetic import pattern
from ocr_trainer_synthetic.plugin import SyntheticTextConfig


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_a_pattern_writes_matches_it(data: st.DataObject):
    atom = st.sampled_from(
        [r"\d", r"\w", "[A-Fx_]", "(a|bc|)", r"\.", "é", r"\\", "-", r"[\]\d^]", "(?:x|y)"]
    )
    count = st.sampled_from(["", "?", "{2}", "{0,3}", "{1,1}"])
    parts = data.draw(st.lists(st.tuples(atom, count).map("".join), min_size=1, max_size=6))
    expression = data.draw(st.sampled_from(["", "|"])).join(parts)
    node = pattern.parse(expression)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    for text in (node.sample(rng) for _ in range(20)):
        assert re.fullmatch(expression, text, re.ASCII)
        assert set(text) <= node.characters


@pytest.mark.parametrize(
    "expression",
    [
        "a*",
        "a+",
        ".",
        "^a",
        "a$",
        "(a",
        "a)",
        "[a",
        "[]",
        "[^a]",
        "a{3,1}",
        "a{1,}",
        r"\s",
        "[z-a]",
        "a\\",
        "?",
        "a{9999}",
    ],
)
def test_a_pattern_without_end_or_sense_is_refused(expression: str):
    with pytest.raises(ValueError, match=r"at character \d+ of the pattern "):
        pattern.parse(expression)
    assert list(SyntheticTextConfig(pattern=expression).validate())


def test_faults_are_named():
    config = SyntheticTextConfig(pattern="a", characters=" ", min_length=9, max_length=8, charsets=["digit"])
    faults = list(config.validate())
    assert faults[0].startswith(
        "words, pattern and characters are different sources of words: set only one of them"
    )
    assert faults[1] == "characters contains only spaces; spaces between words come from max_words"
    assert faults[2].startswith("there is no set of characters 'digit'. Did you mean 'digits'?")
    assert faults[3:] == ["min_length=9 is more than max_length=8"]

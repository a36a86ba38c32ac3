"""The words of texts: each split has some, spaces within words are kept, invisible words are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ocr_trainer_synthetic.plugin import SyntheticConfig, SyntheticTextConfig
from ocr_trainer_synthetic.synthetic import Synthetic

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task


def dataset(context: Context | None = None, **options: Any) -> Synthetic:
    config = SyntheticConfig(text=SyntheticTextConfig(**options))
    assert not list(config.text.validate())
    return Synthetic(config, context or Context(task=Task.recognition))


def listed(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(content, encoding="utf-8")
    return path


def test_each_split_has_a_word_of_a_short_list(tmp_path: Path):
    data = dataset(words=listed(tmp_path, "one\ntwo\nthree\n"))
    drawn = [{split[index].text for index in range(9)} for split in (data.train, data.val, data.test)]
    assert sorted(word for words in drawn for word in words) == ["one", "three", "two"]


@pytest.mark.parametrize("options", [{"words": "one\n"}, {"words": "one\ntwo\n"}, {"pattern": "A{3}"}])
def test_too_few_words_to_hold_some_out_are_refused_at_opening(tmp_path: Path, options: dict[str, str]):
    if "words" in options:
        options = {"words": listed(tmp_path, options["words"])}
    with pytest.raises(DataError, match=r"none of them belongs to (train|val|test): .* text.held_out=0"):
        dataset(**options)
    assert dataset(**options, held_out=0).test[0].text


def test_a_split_of_no_texts_needs_no_words(tmp_path: Path):
    assert dataset(words=listed(tmp_path, "one\n"), val_texts=0, test_texts=0).train[0].text == "one"


def test_the_space_within_words_is_a_character(tmp_path: Path):
    assert dataset(words=listed(tmp_path, "ab c\nd\n"), held_out=0).characters == " abcd"
    assert dataset(words=listed(tmp_path, "abc\nd\n"), held_out=0).characters == "abcd"
    assert dataset(pattern=r"\d{3} x").characters == " 0123456789x"


def test_what_shows_nothing_is_no_word(tmp_path: Path):
    context = Context(task=Task.recognition)
    data = dataset(context, words=listed(tmp_path, "\u200d\na\nb \u200c\n"), held_out=0)
    assert {data.train[index].text for index in range(9)} == {"a"}
    assert [skipped.line for skipped in context.data_report.skipped] == [1, 3]


def test_random_words_have_visible_characters_only():
    data = dataset(characters="a\u200c", max_length=9)
    assert data.characters == "a"
    assert {*data.train[0].text} == {"a"}
    with pytest.raises(DataError, match=r"no character .* is visible"):
        dataset(characters="\u200c")

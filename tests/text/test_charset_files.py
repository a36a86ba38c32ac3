"""Charset files: what is read, and what is told of what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.errors import DataError
from ocr_trainer.text.charset_file import read_file
from ocr_trainer.text.charsets import named, names
from ocr_trainer.text.normalize import clean


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("charsets") / "dict.txt"


@pytest.mark.parametrize(
    ("content", "characters"),
    [
        ("b\na\n \n", "ba "),
        ("b\r\na\r\n", "ba"),
        ("\ufeffb\ra", "ba"),
        ("ba é", "ba é"),
        ("한\n글\n\n\n", "한글"),
        ("\u0301\ne\n", "\u0301e"),
        ("\u200c\nی", "\u200cی"),
        ("x\n", "x"),
    ],
)
def test_one_a_row_or_all_in_one(content: str, characters: str, file: Path) -> None:
    file.write_bytes(content.encode("utf-8"))
    assert read_file(file) == characters


@given(
    st.lists(
        st.characters(exclude_categories=["Cc", "Cs"]).filter(lambda c: clean(c) == c),
        min_size=2,
        unique=True,
    )
)
def test_what_was_written_is_read(file: Path, characters: list[str]) -> None:
    file.write_text("\n".join([*characters, " "]), encoding="utf-8", newline="")
    assert read_file(file) == "".join([*characters, " "])


@pytest.mark.parametrize("name", names())
def test_the_sets_in_one_row(name: str, file: Path) -> None:
    file.write_text(named(name), encoding="utf-8")
    assert read_file(file) == named(name)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("a\nb\na\n", ["3: 'a' (U+0061) a second time, after line 1"]),
        ("aba", ["1: 'a' (U+0061) a second time, after line 1"]),
        ("a\n\nb", ["2: an empty row; a row with a single space stands for the space"]),
        (
            "a\ne\u0301\nbc\n",
            [
                "2: 'e\u0301' (U+0065 U+0301) is 2 characters, a row has one; in normal form C it is 'é' (U+00E9)",
                "3: 'bc' (U+0062 U+0063) is 2 characters, a row has one",
            ],
        ),
        ("a\n\u212b\n", ["2: '\u212b' (U+212B) is not in normal form C, where it is 'Å' (U+00C5)"]),
        ("ae\u0301", ["1: some characters become one in normal form C: give each a row of its own"]),
        ("a\n\x07\n", ["2: control character U+0007 in the text"]),
        ("a\n\u3000\n", ["2: '\u3000' (U+3000) is in no text: it is read as nothing"]),
        ("a\n\u200e\n", ["2: '\u200e' (U+200E) is in no text: it is read as nothing"]),
        ("a\n\u00ad\n", ["2: '\u00ad' (U+00AD) is in no text: it is read as '-' (U+002D)"]),
        (b"a\n\xff\n", ["2: not UTF-8: byte 0xff; save it as UTF-8"]),
    ],
)
def test_faults_are_told_with_their_lines(content: str | bytes, faults: list[str], file: Path) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    with pytest.raises(DataError) as caught:
        read_file(file)
    assert str(caught.value) == "\n  ".join(f"{file}:{fault}" for fault in faults)


def test_many_faults_and_none_at_all(file: Path, tmp_path: Path) -> None:
    file.write_text("ab\n" * 8, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_file(file)
    assert str(caught.value).count(str(file)) == 5
    assert str(caught.value).endswith("… and 3 more")
    for content in ("", "\n\n", "\ufeff"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"dict\.txt' holds no characters"):
            read_file(file)
    with pytest.raises(DataError, match=r"cannot read the charset '.*nowhere': No such file or directory"):
        read_file(tmp_path / "nowhere")

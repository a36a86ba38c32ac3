"""Charset files: valid files and error messages."""

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
def test_one_character_per_line_or_all_in_one_line(content: str, characters: str, file: Path) -> None:
    file.write_bytes(content.encode("utf-8"))
    assert read_file(file) == characters


@given(
    st.lists(
        st.characters(exclude_categories=["Cc", "Cs"]).filter(lambda c: clean(c) == c),
        min_size=2,
        unique=True,
    )
)
def test_a_written_charset_is_read_back(file: Path, characters: list[str]) -> None:
    file.write_text("\n".join([*characters, " "]), encoding="utf-8", newline="")
    assert read_file(file) == "".join([*characters, " "])


@pytest.mark.parametrize("name", names())
def test_a_named_set_in_one_line(name: str, file: Path) -> None:
    file.write_text(named(name), encoding="utf-8")
    assert read_file(file) == named(name)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("a\nb\na\n", ["3: duplicate 'a' (U+0061), first in line 1"]),
        ("aba", ["1: duplicate 'a' (U+0061), first in line 1"]),
        ("a\n\nb", ["2: empty line; for the space, write a line with a single space"]),
        (
            "a\ne\u0301\nbc\n",
            [
                "2: 'e\u0301' (U+0065 U+0301) has 2 characters, a line must have one;"
                " in normal form C it is 'é' (U+00E9)",
                "3: 'bc' (U+0062 U+0063) has 2 characters, a line must have one",
            ],
        ),
        ("a\n\u212b\n", ["2: '\u212b' (U+212B) is not in normal form C; write 'Å' (U+00C5)"]),
        ("ae\u0301", ["1: some characters combine in normal form C: put each on a line of its own"]),
        ("a\n\x07\n", ["2: control character U+0007 in the text"]),
        ("a\n\u3000\n", ["2: '\u3000' (U+3000) cannot occur in a text: normalization removes it"]),
        ("a\n\u200e\n", ["2: '\u200e' (U+200E) cannot occur in a text: normalization removes it"]),
        (
            "a\n\u00ad\n",
            ["2: '\u00ad' (U+00AD) cannot occur in a text: normalization replaces it with '-' (U+002D)"],
        ),
        (b"a\n\xff\n", ["2: not UTF-8: byte 0xff; save it as UTF-8"]),
    ],
)
def test_error_messages_name_file_and_line(content: str | bytes, faults: list[str], file: Path) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    with pytest.raises(DataError) as caught:
        read_file(file)
    assert str(caught.value) == "\n  ".join(f"{file}:{fault}" for fault in faults)


def test_many_errors_an_empty_file_and_a_missing_file(file: Path, tmp_path: Path) -> None:
    file.write_text("ab\n" * 8, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_file(file)
    assert str(caught.value).count(str(file)) == 5
    assert str(caught.value).endswith("… and 3 more")
    for content in ("", "\n\n", "\ufeff"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"dict\.txt' contains no characters"):
            read_file(file)
    with pytest.raises(DataError, match=r"cannot read the charset '.*nowhere': No such file or directory"):
        read_file(tmp_path / "nowhere")

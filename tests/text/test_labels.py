"""Unusual label texts: each has a defined result, from the annotation file to the score."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from helpers.readers import READERS
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport
from ocr_trainer.tasks.recognition.charset import Codec, UnknownCharacter
from ocr_trainer.text import normalize
from ocr_trainer_runtime.text.bidi import to_visual

READER = READERS["jsonl texts"]
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
TEXTS: dict[str, tuple[str, str]] = {
    "NFD": ("Gro\u0308\u00dfe", "Gr\u00f6\u00dfe"),
    "a ligature, which NFC does not decompose": ("\ufb01n", "\ufb01n"),
    "right to left": ("\u05e9\u05dc\u05d5\u05dd 5", "\u05e9\u05dc\u05d5\u05dd 5"),
    "marks of direction": ("\u202b\u05e9\u200f\u202c", "\u05e9"),
    "emoji joined": (FAMILY, FAMILY),
    "a tab": ("a\tb", "a b"),
    "CRLF": ("a\r\nb", "a b"),
    "a byte-order mark within": ("a\ufeffb", "ab"),
    "a no-break space": ("a\u00a0b", "a b"),
    "10,000 characters": ("ab " * 3333 + "c", "ab " * 3333 + "c"),
    "10,000 in one word": ("a" * 10_000, "a" * 10_000),
}
"""Texts in a file and their normalized forms."""
REFUSED: dict[str, tuple[str, str]] = {
    "a control character": ("a\x07b", "control character U+0007 in the text"),
    "NUL": ("a\0b", "control character U+0000 in the text"),
    "half of a pair": ("\ud83d", "half of a surrogate pair U+D83D in the text"),
    "accents without end": ("a" + "\u0301\u0316" * 5000, "10,001 characters without a space in the text"),
}


def texts(root: Path, content: bytes) -> tuple[list[str], DataReport]:
    READER.lay(root)
    samples, data_report = READER.read(root, content)
    return [sample.text for sample in samples], data_report


def row(text: str) -> bytes:
    return json.dumps({"image": "a.png", "text": text}).encode()


@pytest.mark.parametrize("kind", TEXTS)
def test_case_37_texts_are_normalized_and_encoded(tmp_path: Path, kind: str) -> None:
    written, expected = TEXTS[kind]
    (found,), _ = texts(tmp_path, row(written))
    clean = normalize.clean(found)
    assert clean == expected == unicodedata.normalize("NFC", clean)
    codec = Codec(normalize.ordered(to_visual(clean)))
    assert len(codec.encode(to_visual(clean))) == len(clean)
    assert codec.encode(clean).dtype == np.int64


@pytest.mark.parametrize("kind", REFUSED)
def test_case_37_invalid_texts_are_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    written, reason = REFUSED[kind]
    (found,), _ = texts(tmp_path, row(written))
    with pytest.raises(ValueError, match=re.escape(reason)):
        normalize.clean(found)


@pytest.mark.parametrize("text", ["", " ", "\t", "\u3000", None])
def test_case_37_an_empty_text_is_reported_as_skipped(tmp_path: Path, text: str | None) -> None:
    found, data_report = texts(tmp_path, row(text))
    assert found == []
    assert [(entry.what, entry.line, entry.reason) for entry in data_report.skipped] == [
        ("label", 1, "the text is empty")
    ]


def test_case_37_an_unknown_character_is_named() -> None:
    with pytest.raises(
        UnknownCharacter, match=r"'\u0e01' \(U\+0E01 THAI CHARACTER KO KAI\) is not in the charset"
    ):
        Codec("abc").encode("a\u0e01")
    assert Codec("abc?", "?").encode("a\u0e01").tolist() == [0, 3]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_case_37_byte_order_mark_and_line_ends_are_not_part_of_the_text(
    tmp_path: Path, mark: bytes, end: bytes
) -> None:
    found, data_report = texts(tmp_path, mark + row("TOTAL") + end)
    assert (found, data_report.skipped) == (["TOTAL"], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "shift-jis"])
def test_case_37_other_encodings_are_refused_or_reported(tmp_path: Path, encoding: str) -> None:
    written = "\u00dc" if encoding == "latin-1" else "\u30c6"
    content = f'{{"image": "a.png", "text": "{written}"}}\n'.encode(encoding)
    try:
        found, data_report = texts(tmp_path, content)
    except DataError as refused:
        messages = [str(refused)]
    else:
        messages = [entry.reason for entry in data_report.skipped]
        assert found == []
    assert messages


@given(st.text(max_size=30))
def test_case_37_the_score_of_a_text_does_not_depend_on_its_unicode_form(text: str) -> None:
    """The decomposed and the composed form of a text are normalized to the same text."""
    try:
        clean = normalize.clean(text)
    except ValueError:
        return
    assert normalize.clean(unicodedata.normalize("NFD", text)) == clean
    assert normalize.clean(clean) == clean

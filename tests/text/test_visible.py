"""Text from outside is printed with its control characters spelled, and loses nothing else."""

from __future__ import annotations

import codecs
import io
import logging
import re
import unicodedata
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ocr_trainer_runtime.text.visible import echo, one_line, visible

HOSTILE = "a\x1b[31mred\x1b]0;title\x07\r\x9b2J\u202egnp.exe\u2066\u200f\udc80\x7f"


def test_escapes_and_bidi_overrides_are_spelled_as_in_python():
    assert visible(HOSTILE) == (r"a\x1b[31mred\x1b]0;title\x07\r\x9b2J\u202egnp.exe\u2066\u200f\udc80\x7f")
    assert one_line("a\nocr-train: all is well\t!") == r"a\nocr-train: all is well\t!"


@given(st.text(st.characters()))
def test_nothing_that_controls_a_terminal_is_left_and_the_rest_is_as_it_was(text: str):
    shown = visible(text)
    kinds = {unicodedata.category(character) for character in shown} - {"Cf"}
    assert "Cs" not in kinds
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Zl", "Zp")} <= {"\n", "\t"}
    assert not {
        c for c in shown if unicodedata.bidirectional(c) in ("LRO", "RLO", "LRE", "RLE", "PDF", "LRI")
    }
    assert visible(shown) == shown
    assert "\n" not in one_line(text)
    if "\\" not in text:
        spelled = re.sub(r"\\(x..|u....|U........|r)", lambda m: codecs.decode(m[0], "unicode_escape"), shown)
        assert spelled == text


@pytest.mark.parametrize(
    "text", ["Straße, naïve, Ünï", "שלום עולם", "می‌خواهم", "क्‍ष", "日本語 한국어", "👩‍👩‍👧 🇩🇪", "a\tb\nc"]
)
def test_ordinary_texts_of_all_scripts_are_unchanged(text: str):
    assert visible(text) == text


def test_log_records_are_spelled_for_the_handlers_of_any_program():
    from ocr_trainer.engine.startup import SPELLED

    record = logging.LogRecord("ocr_trainer", logging.INFO, "", 0, "skipped %s", (HOSTILE,), None)
    assert SPELLED.filter(record)
    assert record.getMessage() == f"skipped {visible(HOSTILE)}"


def test_bars_and_warnings_print_no_escape_of_a_name(capsys: pytest.CaptureFixture[str]):
    from ocr_trainer.cli.messages import print_error, print_traceback, print_warning
    from ocr_trainer.engine.callbacks.bar import progress
    from ocr_trainer.engine.callbacks.progress import Progress

    bar = Progress()
    bar.console = Console(file=(out := io.StringIO()))
    bar.print(HOSTILE)
    with progress(2, "reading") as report:
        report(HOSTILE)
    echo(HOSTILE)
    print_error(ValueError(HOSTILE))
    print_traceback(ValueError, ValueError(HOSTILE), None)
    with warnings.catch_warnings():
        print_warning(UserWarning(HOSTILE), UserWarning, "a.py", 1)
    shown = capsys.readouterr()
    for text in (out.getvalue(), shown.out, shown.err):
        assert not set(text) & set("\x1b\x07\r\x9b\u202e\u2066\x7f")
    assert shown.err.count(r"\x1b[31mred") == 3


def test_pages_in_xml_hold_names_that_a_parser_reads_and_a_terminal_does_not_obey():
    from xml.etree import ElementTree

    from ocr_trainer_runtime.results.markup import clean, serialize

    root = ElementTree.Element("page", name=clean("a\u202eb\x9bc\x1b"))
    text = serialize(root, "<?xml version='1.0'?>")
    assert not set(text) & set("\u202e\x9b\x1b")
    assert ElementTree.fromstring(text).get("name") == "a\u202eb\x9bc\ufffd"

"""Documents read entry by entry against the standard library, which reads them whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError
from ocr_trainer.formats.json_streams import stream_elements, stream_members

KEYS = ["imgs", "a", "", "ä\n"]
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=20,
)
documents = values | st.dictionaries(st.sampled_from(KEYS), values, min_size=1)


def members(document: Any, key: str) -> list[tuple[str, Any]]:
    section = document.get(key) if isinstance(document, dict) else None
    return list(section.items()) if isinstance(section, dict) else []


def elements(document: Any, key: str | None) -> list[Any]:
    section = document if key is None else document.get(key) if isinstance(document, dict) else None
    return section if isinstance(section, list) else []


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents, st.integers(1, 40), st.sampled_from([None, 1, "\t"]), st.booleans(), st.booleans())
def test_entries_are_those_of_the_whole(
    tmp_path: Path, document: Any, chunk: int, indent: int | str | None, ascii_only: bool, bom: bool
) -> None:
    path = tmp_path / "x.json"
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8-sig" if bom else "utf-8", newline="\r\n")
    assert list(stream_members(path, "imgs", chunk)) == members(document, "imgs")
    assert list(stream_elements(path, "imgs", chunk)) == elements(document, "imgs")
    assert list(stream_elements(path, None, chunk)) == elements(document, None)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text('{}[]",:1-.e5 \\ua', max_size=12) | st.binary(max_size=12), st.integers(1, 3))
@example('{"a": 1,}', 2)
@example('{"a": 1 "b": 2}', 2)
@example('{"imgs": {}} x', 2)
@example('{"imgs": {} "a": 1}', 1)
@example("[1, 2", 1)
@example("[1,, 2]", 1)
@example("[12", 1)
@example("12", 1)
@example('{1: "a"}', 1)
def test_what_is_no_json_is_refused_and_nothing_else(tmp_path: Path, text: str | bytes, chunk: int) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError:
        with pytest.raises(DataError, match=r"x\.json' is (not JSON: line \d+, column \d+|not UTF-8|UTF-16)"):
            list(stream_elements(path, None, chunk))
    else:
        list(stream_elements(path, None, chunk))


def test_a_key_that_is_there_twice_is_read_twice(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"imgs": {"a": 1, "a": 2}, "imgs": {"b": 3}}')
    assert list(stream_members(tmp_path / "x.json", "imgs")) == [("a", 1), ("a", 2), ("b", 3)]


def test_numbers_that_are_none_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[NaN, -Infinity, 1]")
    assert str(list(stream_elements(tmp_path / "x.json"))) == "[nan, -inf, 1]"


def test_brackets_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 200_000)
    with pytest.raises(DataError, match="cannot be read as JSON"):
        list(stream_elements(tmp_path / "x.json"))


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read '.*gone\.json': No such file"):
        list(stream_elements(tmp_path / "gone.json"))

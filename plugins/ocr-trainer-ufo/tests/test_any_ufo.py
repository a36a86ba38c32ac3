"""What is written is read again; whatever else there is, is entered or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_ufo.document import read_document, read_labels

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport

coordinate = st.integers(1, 9999) | st.floats(1, 9999, width=32)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
triangles = st.tuples(coordinate, coordinate).map(
    lambda p: [[p[0], p[1]], [p[0] + 9, p[1]], [p[0], p[1] + 9]]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(triangles, texts), max_size=5))
def test_what_is_written_is_read_again(tmp_path: Path, words: list) -> None:
    made = {str(i): {"points": points, "transcription": text} for i, (points, text) in enumerate(words)}
    (tmp_path / "train.json").write_text(json.dumps({"images": {"a.jpg": {"words": made}}}))
    entry = dict(read_document(tmp_path / "train.json"))["a.jpg"]
    labels = read_labels(entry, tmp_path / "train.json", "a.jpg", True, DataReport())
    assert labels.texts == [(text or "").strip() for _, text in words]
    assert labels.ignore == [not (text or "").strip() for _, text in words]
    for polygon, (points, _) in zip(labels.polygons, words, strict=True):
        assert polygon.ravel().tolist() == pytest.approx([value for point in points for value in point])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["points", "words", "a"]), inner)
    ),
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values)
def test_any_json_is_read_or_refused(tmp_path: Path, value: Any) -> None:
    data_report = DataReport()
    for entry in (
        value,
        {"words": {"1": value}},
        {"words": {"1": {"points": value, "transcription": value}}},
    ):
        try:
            labels = read_labels(entry, tmp_path / "x", "a.jpg", True, data_report)
        except DataError:
            continue
        assert len(labels.polygons) == len(labels.texts) == len(labels.ignore)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100))
def test_random_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DataError):
        list(read_document(tmp_path / "x.json"))

"""Metadata that someone has edited: each entry deleted, of another type, or out of range."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.onnx_models import DETECTOR, RECOGNIZER, detector, recognizer

import ocr_trainer_runtime as ocr

ODD: tuple[Any, ...] = (
    *(None, True, "", "nonsense", "a\nb", "\ud800", "x" * 100_000, [], [1, "x"], {}, {"a": 1}, "320"),
    *(-1, 0, 0.5, 1, 2**20, 10**30, 10**400, 1e308, float("nan"), float("inf"), float("-inf")),
)
MISSING = object()
TUNES = {
    *(
        "preprocessing.size",
        "preprocessing.max_side",
        "preprocessing.side",
        "postprocessing.binarize_threshold",
    ),
    *("postprocessing.box_threshold", "postprocessing.max_candidates", "postprocessing.min_side"),
    *("postprocessing.shrink_ratio", "postprocessing.unclip", "postprocessing.unclip_ratio"),
}
"""Entries that tune what a detector finds: other numbers within their limits find other texts."""


def entries(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where the entries of metadata are."""
    if at:
        yield at
    for key in value if isinstance(value, dict) else ():
        yield from entries(value[key], (*at, key))


def edited(metadata: dict[str, Any], at: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return metadata with another value of one entry."""
    made = copy.deepcopy(metadata)
    section = made
    for key in at[:-1]:
        section = section[key]
    if value is MISSING:
        del section[at[-1]]
    else:
        section[at[-1]] = value
    return made


def outcome(finds: Path, reads: Path, page: np.ndarray) -> str | list[str]:
    """Return the message of a refusal, or the texts of the page."""
    try:
        return [word.text for word in ocr.load(finds, reads, threads=1).predict(page).words]
    except ocr.OcrTrainerError as error:
        return str(error)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("at", list(entries(DETECTOR)), ids=".".join)
def test_a_detector(at: tuple[str, ...], pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    for value in (MISSING, *ODD):
        made = detector(tmp_path, json.dumps(edited(DETECTOR, at, value)))
        found = outcome(made, pair[1], page)
        if isinstance(found, str):
            assert "\n" not in found
            assert len(found) < 200 + len(str(tmp_path))
        elif ".".join(at) not in TUNES:
            assert found == ["a", "b"], value


@pytest.mark.timeout(120)
@pytest.mark.parametrize("at", list(entries(RECOGNIZER)), ids=".".join)
def test_a_recognizer(at: tuple[str, ...], pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    for value in (MISSING, *ODD):
        made = recognizer(tmp_path, json.dumps(edited(RECOGNIZER, at, value)))
        found = outcome(pair[0], made, page)
        if isinstance(found, str):
            assert "\n" not in found
            assert len(found) < 200 + len(str(tmp_path))
        else:
            assert found == ["a", "b"], value


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("preprocessing", "size", 2**20),
        ("preprocessing", "max_side", 0),
        ("postprocessing", "binarize_threshold", 1.5),
        ("postprocessing", "box_threshold", 2),
        ("postprocessing", "max_candidates", 0),
        ("postprocessing", "min_side", 10**400),
        ("tiles", "aspect", 0),
        ("tiles", "overlap", 1.0),
    ],
)
def test_numbers_of_detectors_have_limits(section: str, name: str, value: Any, tmp_path: Path):
    path = detector(tmp_path, edited(DETECTOR, (section, name), value)) / "model.onnx"
    with pytest.raises(ocr.ModelError) as caught:
        ocr.load(path)
    assert str(caught.value).startswith(f"the metadata of '{path}' cannot be used: in {section}, {name} is ")


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("preprocessing", "height", 0),
        ("preprocessing", "height", 2**20),
        ("preprocessing", "min_width", 2**20),
        ("preprocessing", "max_width", 0),
        ("postprocessing", "beam", 0),
        ("postprocessing", "beam", 2**20),
    ],
)
def test_numbers_of_recognizers_have_limits(section: str, name: str, value: Any, tmp_path: Path):
    path = recognizer(tmp_path, edited(RECOGNIZER, (section, name), value)) / "model.onnx"
    with pytest.raises(ocr.ModelError) as caught:
        ocr.load(path)
    assert str(caught.value) == f"the metadata of '{path}' cannot be used: in {section}, {name} is {value}"


@pytest.mark.parametrize(
    ("charset", "fault"),
    [
        ("aa", "has a charset in which U+0061 occurs 2 times"),
        ("a\n", "has a charset with U+000A, which no line of text contains"),
        ("a\r", "has a charset with U+000D, which no line of text contains"),
        ("a\x85", "has a charset with U+0085, which no line of text contains"),
        ("\u2028b", "has a charset with U+2028, which no line of text contains"),
        ("a\x00", "has a charset with U+0000, which no line of text contains"),
        ("a\ud800", "has a charset with U+D800, which no line of text contains"),
        ("a", "has 3 classes, but its charset has 1 characters"),
        ("abc", "has 3 classes, but its charset has 3 characters"),
    ],
)
def test_a_charset_that_cannot_spell_is_refused(charset: str, fault: str, tmp_path: Path):
    path = recognizer(tmp_path, {**RECOGNIZER, "charset": charset}) / "model.onnx"
    with pytest.raises(ocr.ModelError) as caught:
        ocr.load(path)
    assert str(caught.value) == f"'{path}' {fault}"

"""Files that are no exports, damaged ones, and pairs that do not fit: one sentence each."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.onnx_models import DETECTOR, RECOGNIZER, detector, recognizer

import ocr_trainer_runtime as ocr

MADE = "`ocr-train export MODEL --format onnx --out FOLDER` writes one"


def refusal(*models: Path, **options: Any) -> str:
    with pytest.raises(ocr.OcrTrainerError) as caught:
        ocr.load(*models, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(metadata: dict[str, Any], section: str, **values: Any) -> dict[str, Any]:
    made = copy.deepcopy(metadata)
    made[section].update(values)
    return made


def test_nothing_is_there(tmp_path: Path):
    assert refusal(tmp_path) == f"there is no exported model at '{tmp_path}/model.onnx': {MADE}"
    assert refusal(tmp_path / "x.onnx") == f"there is no exported model at '{tmp_path}/x.onnx': {MADE}"
    assert refusal(None) == f"no model is given: {MADE}"  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", bytes(1000), b"\x08\x08" * 400])
def test_a_file_that_is_no_onnx_is_refused(content: bytes, tmp_path: Path):
    (path := tmp_path / "model.onnx").write_bytes(content)
    assert refusal(path) == f"'{path}' is no ONNX file, or is damaged: {MADE}"


def test_a_truncated_file_is_refused(tmp_path: Path):
    path = detector(tmp_path) / "model.onnx"
    path.write_bytes(path.read_bytes()[:150])
    assert refusal(path) == f"'{path}' is no ONNX file, or is damaged: {MADE}"


@pytest.mark.parametrize("metadata", ["", "{", "[]", "null", '{"model": "x"}', "[" * 100_000])
def test_foreign_metadata_is_refused(metadata: str, tmp_path: Path):
    path = detector(tmp_path, metadata) / "model.onnx"
    assert refusal(path) == f"'{path}' was not written by `ocr-train export --format onnx`"


def test_a_later_version_is_refused(tmp_path: Path):
    path = detector(tmp_path, {**DETECTOR, "format": 2}) / "model.onnx"
    assert refusal(path) == f"'{path}' has metadata of version 2, but this runtime reads 1"


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("output", "kind", "boxes"),
        ("input", "stride", 0.5),
        ("input", "stride", -4),
        ("input", "stride", 0),
        ("input", "stride", 2**20),
        ("preprocessing", "size", "64"),
        ("preprocessing", "size", 10**12),
        ("preprocessing", "side", "diagonal"),
        ("preprocessing", "max_side", None),
        ("postprocessing", "box_threshold", float("nan")),
        ("postprocessing", "max_candidates", True),
        ("tiles", "overlap", "half"),
    ],
)
def test_hostile_metadata_is_refused(section: str, name: str, value: Any, tmp_path: Path):
    path = detector(tmp_path, changed(DETECTOR, section, **{name: value})) / "model.onnx"
    assert refusal(path) == f"the metadata of '{path}' cannot be used: in {section}, {name} is {value!r}"


def test_missing_options_are_refused(tmp_path: Path):
    metadata = copy.deepcopy(RECOGNIZER)
    del metadata["preprocessing"]["max_width"]
    path = recognizer(tmp_path, metadata) / "model.onnx"
    expected = f"the metadata of '{path}' cannot be used: in preprocessing, max_width is missing"
    assert refusal(path) == expected


@pytest.mark.parametrize(
    ("margins", "what"),
    [("wide", "the value is 'wide'"), ([None], "a margin is None"), ([-1.0], "a margin is -1.0")],
)
def test_odd_margins_are_refused(margins: Any, what: str, tmp_path: Path):
    finds = detector(tmp_path / "det")
    reads = recognizer(tmp_path / "rec", {**RECOGNIZER, "margins": margins}) / "model.onnx"
    expected = f"the metadata of '{reads}' cannot be used: in margins, {what}"
    assert refusal(finds, reads) == expected


def test_no_charset_is_refused(tmp_path: Path):
    path = recognizer(tmp_path, {**RECOGNIZER, "charset": ""}) / "model.onnx"
    assert refusal(path) == f"'{path}' has no charset, so its texts cannot be spelled"


def test_another_graph_is_refused(tmp_path: Path):
    path = detector(tmp_path, RECOGNIZER) / "model.onnx"
    assert refusal(path) == f"'{path}' has other inputs or outputs than the exports of `--format onnx`"


def test_two_of_a_kind_are_refused(tmp_path: Path, pair: tuple[Path, Path]):
    det, rec = (path / "model.onnx" for path in pair)
    assert refusal(det, det) == f"'{det}' and '{det}' both find texts: give one of them and a recognizer"
    assert refusal(rec, rec) == f"'{rec}' and '{rec}' both read texts: give one of them and a detector"


def test_options_out_of_range_are_refused(pair: tuple[Path, Path]):
    for threads in (0, 1.5, "2", 10**12):
        expected = f"threads must be a whole number from 1 to 1024, not {threads!r}"
        assert refusal(*pair, threads=threads) == expected
    assert refusal(*pair, margin=2) == "margin must be at least 0 and at most 1, not 2"


def test_a_charset_that_is_too_short_is_refused(pair: tuple[Path, Path], tmp_path: Path, page: np.ndarray):
    path = recognizer(tmp_path, {**RECOGNIZER, "charset": "a"}) / "model.onnx"
    assert "classes" in refusal(path)


def test_several_margins_ask_for_one(pair: tuple[Path, Path], tmp_path: Path, page: np.ndarray):
    path = recognizer(tmp_path, {**RECOGNIZER, "margins": [0.0, 0.1]})
    expected = "the recognizer was trained with margins of 0 and 0.1: choose one with margin="
    assert refusal(pair[0], path) == expected
    assert ocr.load(pair[0], path, margin=0.1).predict(page).text == "a\nb"

"""Whatever stands in an annotation, a reader reads it, enters it in the ledger or refuses it in its own words."""

from __future__ import annotations

import importlib.util
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.mutations import mutate
from helpers.readers import FLAT, READERS, Reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport

SECONDS = int(os.environ.get("OCR_TRAINER_FUZZ_SECONDS", "600"))
FUZZER = Path(__file__).with_name("fuzz_readers.py")
# Damaged databases have a test of their own, with more of them.
PROPERTIES = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
IN_TEXT = [name for name in READERS if name != "lmdb"]


def balanced(data_report: DataReport) -> bool:
    """Tell whether no more was left out than was met."""
    counts = {what: sum(entry.what == what for entry in data_report.skipped) for what in ("image", "label")}
    return counts["image"] <= data_report.images and counts["label"] <= data_report.labels


def read(reader: Reader, root: Path, annotation: bytes) -> bool:
    """Read an annotation; tell whether it was not refused."""
    try:
        _, data_report = reader.read(root, annotation)
    except DataError:
        return False
    assert balanced(data_report)
    return True


@pytest.mark.parametrize("name", READERS)
def test_case_41_a_valid_annotation_is_read(tmp_path: Path, name: str) -> None:
    READERS[name].lay(tmp_path)
    samples, data_report = READERS[name].read(tmp_path, READERS[name].valid)
    texts = [text for sample in samples for text in getattr(sample, "texts", None) or [sample.text]]
    assert any("TO" in text for text in texts) or name in ("msra_td500", "mmocr", "mmocr coco")
    assert data_report.images >= len(samples) >= 1


@pytest.mark.parametrize("name", IN_TEXT)
@PROPERTIES
@given(st.randoms(use_true_random=False))
def test_case_41_mutations_are_read_or_refused(tmp_path: Path, name: str, rng: random.Random) -> None:
    READERS[name].lay(tmp_path)
    read(READERS[name], tmp_path, mutate(READERS[name].valid, rng))


@pytest.mark.parametrize("name", IN_TEXT)
@settings(PROPERTIES, max_examples=15)
@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_case_41_junk_is_read_or_refused(tmp_path: Path, name: str, data: bytes) -> None:
    READERS[name].lay(tmp_path)
    read(READERS[name], tmp_path, data)


def test_case_41_json_as_deep_as_can_be_decoded_is_refused_where_it_is_told(tmp_path: Path) -> None:
    """What is nested nearly as deep as Python goes is decoded, and then too deep to be written out."""
    reader = READERS["label_studio"]
    reader.lay(tmp_path)
    read_ = 0
    for depth in range(800, 1000, 2):
        deep = b"[" * depth + b"]" * depth
        for value in (b'"r1"', b'"rectangle"', b"[10, 10]", b'"TOTAL"', b"7", b"5"):
            read_ += read(reader, tmp_path, reader.valid.replace(value, deep, 1))
    assert read_


def test_case_41_an_entry_of_label_studio_may_be_called_types(tmp_path: Path) -> None:
    reader = READERS["label_studio"]
    reader.lay(tmp_path)
    samples, _ = reader.read(tmp_path, reader.valid.replace(b'"type": "rectangle"', b'"types": 3'))
    assert samples[0].texts == ["TOTAL", ""]


def _accents(size: int) -> bytes:
    return ("a" + "\u0301\u0316" * (size // 4)).encode()


def _ring(size: int) -> list[int]:
    """Return a comb of that many points, of which no two sides cross: x, y, x, y, …"""
    return [
        value
        for x in range(size // 2)
        for value in (x % 9999, 1 + x // 9999 * 3, x % 9999, 2 + x // 9999 * 3)
    ]


JUNK: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "accents": ("jsonl texts", lambda size: READERS["jsonl texts"].valid.replace(b"TOTAL", _accents(size))),
    "coordinates": (
        "totaltext rows",
        lambda size: b",".join(b"%d" % value for value in _ring(size // 4)) + b",x",
    ),
    "points": (
        "jsonl",
        lambda size: READERS["jsonl"].valid.replace(b"[4, 4]", b"[4, 4]" + b",[9, 9]" * (size // 7)),
    ),
    "folders": ("textocr", lambda size: READERS["textocr"].valid.replace(b"train/", b"a/" * (size // 2))),
    "record": ("totaltext records", lambda size: b"x: [[" + b"\n1" * (size // 2)),
    "literal": (
        "totaltext records",
        lambda size: READERS["totaltext records"].valid.replace(b"u'TOTAL'", b"1," * (size // 2)),
    ),
    "lines": ("ctw1500 xml", lambda size: READERS["ctw1500 xml"].valid.replace(b"TOTAL", b"\n" * size)),
    "rows": ("paddleocr", lambda size: b"x\n" * (size // 2)),
    "brackets": ("ufo", lambda size: b"[" * size),
}
"""What took time or memory out of all proportion: by a reader that it is for, made in any size."""


@pytest.mark.parametrize("kind", JUNK)
def test_case_41_the_work_does_not_grow_faster_than_the_file(tmp_path: Path, kind: str) -> None:
    """Lines of Python are counted, not seconds; what C does in them is bounded by the limits tested below."""
    name, make = JUNK[kind]
    READERS[name].lay(tmp_path)
    work = [
        _lines_run(lambda size=size: read(READERS[name], tmp_path, make(size))) for size in (60_000, 240_000)
    ]
    assert work[1] < 5 * work[0]


def _lines_run(call: Callable[[], object]) -> int:
    lines = 0

    def trace(*_: object) -> Callable[..., object]:
        nonlocal lines
        lines += 1
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return lines


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("coordinates", "125,000 points are more than an outline can have"),
        ("points", "71,432 points are more than an outline can have"),
        ("literal", "500,002 characters are no text of a word"),
        ("rows", "none of 10,000 rows can be used"),
    ],
)
def test_case_41_what_is_beyond_all_measure_is_refused_and_told(
    tmp_path: Path, kind: str, reason: str
) -> None:
    name, make = JUNK[kind]
    READERS[name].lay(tmp_path)
    try:
        told = str([str(entry) for entry in READERS[name].read(tmp_path, make(500_000))[1].skipped])
    except DataError as refused:
        told = str(refused)
    assert reason in told


def test_case_41_a_long_row_is_entered_and_the_others_are_read(tmp_path: Path) -> None:
    reader = READERS["icdar2015"]
    reader.lay(tmp_path)
    good = ",".join(map(str, FLAT)).encode() + b",TOTAL\n"
    (sample,), data_report = reader.read(tmp_path, good + b"1," * 600_000 + b"\n" + good)
    assert sample.texts == ["TOTAL"] * 2
    assert [(e.line, e.reason) for e in data_report.skipped] == [
        (2, "a row of 1,200,000 bytes is longer than any label")
    ]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("name", READERS)
def test_case_41_a_fuzzer_finds_nothing(name: str) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install 'ocr-trainer[fuzz]'")
    environment = {**os.environ, "OCR_TRAINER_FUZZ_SECONDS": str(SECONDS)}
    done = subprocess.run(
        [sys.executable, str(FUZZER), name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS + 100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{name}: \d{{3,}} executions, \d+ MB, no finding$", done.stdout, re.MULTILINE)

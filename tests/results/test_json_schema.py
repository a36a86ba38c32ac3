"""Results in JSON against their schemas: version, keys, coordinates, one detection per row."""

from __future__ import annotations

import json
import string
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from ocr_trainer.data.types import Detections, Recognition
from ocr_trainer.results import Page, page_of
from ocr_trainer_runtime.results import json_file


def validator(name: str) -> Draft202012Validator:
    schema = json.loads(files("ocr_trainer_runtime.results").joinpath(name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


PAGE, READING = validator("page.schema.json"), validator("reading.schema.json")

texts = st.text(string.ascii_letters + 'é"\\\n\u2028שلא한 {}[]', max_size=12)


@st.composite
def pages(draw: st.DrawFn) -> Page:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 6))
    polygons = [
        (rng.uniform(0, 300, 2) + rng.uniform(0, 40, (rng.integers(3, 9), 2))).astype(np.float32)
        for _ in range(count)
    ]
    scores = rng.uniform(0, 1, count).astype(np.float32)
    readings = None
    if draw(st.booleans()):
        readings = [reading(draw(texts), rng) for _ in range(count)]
    warnings = draw(st.lists(st.just('a "warning"'), max_size=1))
    return page_of(draw(texts) or "a.png", (400, 300), Detections(polygons, scores, warnings), readings)


def reading(text: str, rng: np.random.Generator) -> Recognition:
    scores = rng.uniform(0, 1, len(text)).astype(np.float32)
    return Recognition(text, scores, float(scores.prod()))


@settings(deadline=None, max_examples=60)
@given(pages())
def test_every_page_fits_the_schema_and_is_read_back(page: Page) -> None:
    written = json_file.write(page)
    record = json.loads(written)
    PAGE.validate(record)
    assert record == page.to_dict()
    rows = written.splitlines() if "\u2028" not in written else written.split("\n")
    of_detections = [row for row in rows if row.startswith("  {")]
    assert [json.loads(row.rstrip(",")) for row in of_detections] == record["detections"]
    for detection, word in zip(record["detections"], page.words, strict=True):
        assert np.abs(np.array(detection["polygon"]) - word.polygon).max() <= 0.0051
        assert all(
            len(repr(value).partition(".")[2]) <= 2 for point in detection["polygon"] for value in point
        )


@given(texts, st.integers(0, 2**32 - 1))
def test_every_reading_fits_the_schema(text: str, seed: int) -> None:
    row = json_file.row("a.png", reading(text, np.random.default_rng(seed)))
    assert "\n" not in row
    READING.validate(json.loads(row))


def test_keys_are_stable() -> None:
    polygon = np.array([(19.6, 20), (170.3, 20), (170.3, 45)], np.float32)
    found = Detections([polygon], np.array([0.75], np.float32))
    read = Recognition("ab", np.array([0.5, 1.0], np.float32), 0.5)
    assert json_file.write(page_of("a.png", (90, 200), found, [read])) == (
        '{\n "version": 1,\n "image": "a.png",\n "width": 200,\n "height": 90,\n "exif_orientation": "applied",\n "warnings": [],\n'
        ' "detections": [\n'
        '  {"polygon": [[19.6, 20.0], [170.3, 20.0], [170.3, 45.0]], "score": 0.75, "text": "ab",'
        ' "text_score": 0.75, "character_scores": [0.5, 1.0], "block": 0, "line": 0}\n ]\n}\n'
    )


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"width": 0}, {"extra": 1}, {"detections": [{"polygon": [[0, 0]], "score": 2}]}],
)
def test_the_schema_refuses_what_is_not_written(change: dict[str, Any]) -> None:
    record = page_of("a.png", (90, 200), Detections([], np.zeros(0, np.float32))).to_dict()
    PAGE.validate(record)
    with pytest.raises(ValidationError):
        PAGE.validate(record | change)

"""Whatever JSON, and whatever bytes: read, entered or refused, never anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError

FILES = {
    "cocotext": "cocotext.json",
    "funsd": "annotations/a.json",
    "jsonl": "train.jsonl",
    "label_studio": "train.json",
    "labelme": "annotations/a.json",
    "mmocr": "train.json",
    "paddleocr": "train.txt",
    "textocr": "train.json",
}
KEYS = {
    "cocotext": ["imgs", "anns", "image_id", "file_name", "mask", "bbox", "utf8_string", "set", "1"],
    "funsd": ["form", "words", "box", "text"],
    "jsonl": ["image", "words", "points", "text", "ignore", "split", "width", "height"],
    "label_studio": [
        "annotations",
        "data",
        "result",
        "id",
        "value",
        "type",
        "x",
        "y",
        "width",
        "height",
        "points",
    ],
    "labelme": ["shapes", "points", "shape_type", "label", "flags", "imageHeight", "imageWidth"],
    "mmocr": [
        "data_list",
        "images",
        "annotations",
        "img_path",
        "instances",
        "polygon",
        "bbox",
        "image_id",
        "id",
    ],
    "paddleocr": ["transcription", "points"],
    "textocr": ["imgs", "anns", "image_id", "file_name", "points", "utf8_string", "1"],
}
numbers = st.integers() | st.floats() | st.integers(0, 20)
leaves = (
    st.none()
    | st.booleans()
    | numbers
    | st.text(max_size=5)
    | st.sampled_from(["a.png", "rectangle", "train"])
)
outlines = st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=3, max_size=5) | st.lists(
    numbers, max_size=9
)


def values(keys: list[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves | outlines,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(keys), inner, max_size=len(keys))
        ),
        max_leaves=30,
    )


def read(opened: Any, picture: Any, root: Path, name: str, content: bytes) -> None:
    if not (root / "a.png").exists():
        picture("images/a.png", "a.png")
    path = root / FILES[name]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    dataset, context = opened(name, val_share=0)
    try:
        split = dataset.train
    except DataError:
        return
    data_report = context.data_report
    assert sum(one.what == "image" for one in data_report.skipped) <= data_report.images
    assert sum(one.what == "label" for one in data_report.skipped) <= data_report.labels
    for index in range(len(split)):
        labels = split.labels(index)
        assert len(labels.polygons) == len(labels.texts) == len(labels.ignore) <= data_report.labels


@pytest.mark.parametrize("name", list(FILES))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_json(tmp_path: Path, opened: Any, picture: Any, name: str, data: st.DataObject) -> None:
    text = json.dumps(data.draw(values(KEYS[name])))
    content = f"a.png\t{text}\n{text}" if name == "paddleocr" else text
    read(opened, picture, tmp_path, name, content.encode())


@pytest.mark.parametrize("name", list(FILES))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda data: b'{"imgs": {"1": ' + data))
def test_any_bytes(tmp_path: Path, opened: Any, picture: Any, name: str, data: bytes) -> None:
    read(opened, picture, tmp_path, name, data)


@pytest.mark.parametrize("name", list(FILES))
def test_brackets_without_end(tmp_path: Path, opened: Any, picture: Any, name: str) -> None:
    read(opened, picture, tmp_path, name, b"a.png\t" * (name == "paddleocr") + b"[" * 200_000)

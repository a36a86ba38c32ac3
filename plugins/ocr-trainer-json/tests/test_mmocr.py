"""MMOCR: its own test data, and its older forms made from the same data as MMOCR's converters made them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely import Polygon, box

from ocr_trainer.errors import DataError

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data")) / "toy_mmocr"
real = pytest.mark.skipif(not DATA.exists(), reason="toy_mmocr is not among the data (OCR_TRAINER_DATA)")
DET = DATA / "det_toy_dataset"

FLAT = [1, 1, 9, 1, 9, 5, 1, 5]
QUAD = [[1, 1], [9, 1], [9, 5], [1, 5]]


def labels_of(split: Any) -> dict[str, Any]:
    return {path.name: split.labels(index) for index, path in enumerate(split.files)}


@real
def test_the_real_data_list(opened: Callable[..., Any]) -> None:
    dataset, context = opened("mmocr", DET)
    assert (dataset.train, dataset.val) == (None, None)
    labels = labels_of(dataset.test)
    raw = (DET / "textdet_test.json").read_text(encoding="utf-8")
    assert len(labels) == raw.count('"img_path"') == 10
    assert sum(len(one.polygons) for one in labels.values()) == raw.count('"polygon"') == 82
    assert sum(sum(one.ignore) for one in labels.values()) == raw.count('"ignore": true') == 61
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (
        10,
        82,
        [],
    )
    # MMOCR gives every polygon's bounding box besides: an independent check of the order of numbers.
    boxes = [i["bbox"] for entry in json.loads(raw)["data_list"] for i in entry["instances"]]
    assert [list(Polygon(p).bounds) for one in labels.values() for p in one.polygons] == boxes
    assert dataset.test[0].image.shape == (720, 1280, 3)


@real
def test_the_real_rows_with_foreign_folders(opened: Callable[..., Any]) -> None:
    root = DATA / "kie_toy_dataset" / "wildreceipt"
    dataset, context = opened("mmocr", root, val_share=0)
    labels = labels_of(dataset.train)
    assert list(labels) == ["1.jpeg", "2.jpeg"]
    assert sum(len(one.texts) for one in labels.values()) == (root / "data.txt").read_text().count('"box":')
    assert labels["1.jpeg"].texts[0] == "SAFEWAY"
    first = Polygon(labels["1.jpeg"].polygons[0])
    assert first.equals(box(550, 104, 937, 190))  # though its corners start at the bottom left
    assert context.data_report.skipped == []
    assert dataset.train[0].image.shape == (1200, 1600, 3)


@real
def test_recognition_labels_are_no_detection_labels(opened: Callable[..., Any]) -> None:
    root = DATA / "rec_toy_dataset"
    dataset, context = opened("mmocr", root, train_file=Path("labels.json"), images=Path("imgs"), val_share=0)
    assert sum(len(one.texts) for one in labels_of(dataset.train).values()) == 0
    assert [entry.reason for entry in context.data_report.skipped][:1] == [
        "1223731.jpg, instance 1: it has no outline"
    ]
    assert len(context.data_report.skipped) == context.data_report.labels == 10


@real
@pytest.mark.parametrize("form", ["rows", "coco", "shuffled"])
def test_older_forms_of_the_real_data_hold_the_same(tmp_path: Path, opened: Any, form: str) -> None:
    """As `instances_test.txt` and `instances_test.json` of MMOCR 0.x: boxes of left, top, width, height."""
    entries = json.loads((DET / "textdet_test.json").read_bytes())["data_list"]
    rows, images, annotations = [], [], []
    for number, entry in enumerate(entries):
        anns = [
            {
                "iscrowd": int(i["ignore"]),
                "category_id": 1,
                "segmentation": [i["polygon"]],
                "bbox": [0, 0, 0, 0],
            }
            for i in entry["instances"]
        ]
        image = {"file_name": entry["img_path"].removeprefix("imgs/"), "height": 720, "width": 1280}
        rows.append(image | {"annotations": anns})
        images.append(image | {"id": number})
        annotations += [ann | {"image_id": number, "id": len(annotations) + n} for n, ann in enumerate(anns)]
    if form == "rows":
        path = tmp_path / "instances_test.txt"
        path.write_text("".join(json.dumps(row) + "\r\n" for row in rows))
    else:
        path = tmp_path / "instances_test.json"
        sections = {"images": images, "categories": [{"id": 1, "name": "text"}], "annotations": annotations}
        if form == "shuffled":  # column by column instead of row by row, and before the images
            annotations.sort(key=lambda a: a["id"] % 7)
            sections = dict(reversed(sections.items()))
        path.write_text(json.dumps(sections))
    found, _ = opened("mmocr", DET, test_file=path)
    expected, _ = opened("mmocr", DET)
    found, expected = labels_of(found.test), labels_of(expected.test)
    assert list(found) == list(expected)
    for name, one in found.items():
        outlines = [(p.tolist(), i) for p, i in zip(one.polygons, one.ignore, strict=True)]
        true = [(p.tolist(), i) for p, i in zip(expected[name].polygons, expected[name].ignore, strict=True)]
        assert (sorted(outlines) if form == "shuffled" else outlines) == (
            sorted(true) if form == "shuffled" else true
        )
        assert one.size == (720, 1280)


def test_oddities_of_a_data_list(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture("a b, &.png", "imgs/sub/c.png")
    instances = [
        {"polygon": FLAT, "ignore": False, "text": 7},
        {"bbox": [9, 5, 1, 1], "ignore": True},
        {"polygon": [1, 1, 9, 1, 9], "ignore": False},
        {"polygon": [1, 1, 9, 5], "ignore": False},
        {"polygon": {"x": 1}, "ignore": False},
        {"polygon": [float("nan"), *FLAT[1:]], "ignore": False},
        {"ignore": False},
        None,
    ]
    lists = [
        {"img_path": "a b, &.png", "instances": instances, "height": 10, "width": 20},
        {"img_path": "elsewhere\\sub\\c.png", "instances": []},
        {"img_path": "gone.png", "instances": []},
        {"img_path": "../a b, &.png/../..", "instances": []},
        {"img_path": 3, "instances": []},
        {"img_path": "imgs/sub/c.png", "instances": []},
        {"img_path": "a b, &.png"},
        "image",
    ]
    (tmp_path / "textdet_train.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"data_list": lists}).encode())
    dataset, context = opened("mmocr", val_share=0)
    labels = labels_of(dataset.train)
    assert {name: one.ignore for name, one in labels.items()} == {
        "a b, &.png": [False, *[True] * 4],
        "c.png": [],
    }
    assert labels["a b, &.png"].polygons[0].tolist() == QUAD
    assert labels["a b, &.png"].texts == ["7", *[""] * 4]
    assert (context.data_report.images, context.data_report.labels) == (8, 8)
    file, image = "textdet_train.json", "textdet_train.json: a b, &.png, instance"
    assert entries(context) == [
        f"{image} 3: 5 numbers do not form points: there must be an even number: kept as don't care",
        f"{image} 4: 2 points are not a polygon: kept as don't care",
        f"{image} 5: {{'x': 1}} is not a list of numbers",
        f"{image} 6: the coordinate nan is not a finite number: kept as don't care",
        f"{image} 7: it has no outline",
        f"{image} 8: None is not an object",
        "gone.png: there is no such image",
        "../a b, &.png/../..: the name '../a b, &.png/../..' leads out of the image folder",
        f'{file}: image 5: there is no "img_path", the name of an image',
        "imgs/sub/c.png: it is already annotated",
        f'{file}: image 7: there is no list "instances"',
        f'{file}: image 8: there is no "img_path", the name of an image',
    ]


def test_oddities_of_coco(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture("a.png", "b.png")
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2}, {"id": 1, "file_name": "b.png"}, 3]
    annotations = [
        {"id": 1, "image_id": 1, "bbox": [1, 1, 8, 4]},
        {"id": 2, "image_id": 1, "segmentation": [FLAT, FLAT]},
        {"id": 3, "image_id": 2, "bbox": [1, 1, 8, 4]},
        {"id": 4, "image_id": 1, "segmentation": {"counts": "x"}, "bbox": [1, 1, 8, 4], "iscrowd": 1},
        5,
    ]
    document = {"images": images, "annotations": annotations}
    (tmp_path / "instances_training.json").write_text(json.dumps(document))
    dataset, context = opened("mmocr", val_share=0)
    labels = labels_of(dataset.train)["a.png"]
    assert [polygon.tolist() for polygon in labels.polygons] == [QUAD] * 3
    assert labels.ignore == [False, False, True]
    assert (context.data_report.images, context.data_report.labels) == (4, 5)
    file = "instances_training.json"
    assert entries(context) == [
        f'{file}: image 2: there is no "file_name", the name of an image',
        f"{file}: image 1: its id is already in use",
        f'{file}: image #4: there is no "file_name", the name of an image',
        f"{file}: a.png, annotation 2: the segmentation has 2 parts, but a label has one: its box is used",
        f"{file}: annotation 3: there is no image 2",
        f"{file}: annotation #5: it has no image_id",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data_list": [\n  {,}]}', "is not JSON: line 2, column 4: "),
        (b"", "is not JSON: line 1, column 1: "),
        (b"{}", "is not MMOCR's: it has no data_list, no images and no JSON rows"),
        (b'{"data_list": ["caf\xe9"]}', "is not UTF-8: byte 20"),
        ("{}".encode("utf-16"), "is UTF-16 text"),
    ],
)
def test_what_is_no_mmocr_is_refused_with_its_place(
    tmp_path: Path, opened: Any, content: bytes, message: str
) -> None:
    (tmp_path / "train.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        opened("mmocr")[0].train  # noqa: B018
    assert f"train.json' {message}" in str(caught.value)

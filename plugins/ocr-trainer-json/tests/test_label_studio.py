"""Label Studio: exports after its documentation (task format, RectangleLabels) and its converter's test data
(`data_obb.json`, `data_repeater.json`); no real file at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Polygon, box
from shapely.affinity import rotate

from ocr_trainer.errors import DataError

SIZE = {"original_width": 20, "original_height": 10, "image_rotation": 0}
PLACE = {"x": 50.0, "y": 10.0, "width": 40.0, "height": 20.0, "rotation": 0}


def entry(key: Any, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": key, "from_name": kind, "to_name": "image", "type": kind, "value": value, **SIZE, **more}


def region(
    key: str, text: Any = "TOTAL", place: dict[str, Any] = PLACE, kind: str = "rectangle"
) -> list[Any]:
    """As the OCR template gives it: three entries of one id, each with the place."""
    return [
        entry(key, kind, place),
        entry(key, "labels", place | {"labels": ["Text"]}),
        entry(key, "textarea", place | {"text": text}),
    ]


def task(result: list[Any], image: str = "/data/upload/1/0a1b2c3d-a.png", **more: Any) -> dict[str, Any]:
    annotation = {"id": 7, "completed_by": 1, "result": result, "was_cancelled": False, "ground_truth": False}
    return {"id": 1, "annotations": [annotation], "data": {"ocr": image}, "predictions": [], **more}


def export(root: Path, *tasks: Any, name: str = "project-1-at-2026-01-02-03-04-0a1b2c3d.json") -> None:
    (root / name).write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")


def test_regions_are_put_together_by_their_id(tmp_path: Path, opened: Any, picture: Any) -> None:
    picture("images/a.png")
    polygon = {"points": [[5, 10], [45, 20], [50, 90], [10, 80], [2.5, 40]], "closed": True}
    result = [
        *region("r1", ["TOTAL", "12"]),
        *region("r2", "###"),
        *region("r3", [], polygon, "polygon"),
        entry("r4", "rectanglelabels", PLACE | {"rectanglelabels": ["Title"]}, meta={"text": ["a note"]}),
        entry("c1", "choices", {"choices": ["invoice"]}),
        entry("t1", "textarea", {"text": ["of the whole image"]}),
        {"type": "relation", "from_id": "r1", "to_id": "r2", "direction": "right"},
        entry("r1", "number", PLACE | {"number": 3}),
    ]
    export(tmp_path, task(result))
    dataset, context = opened("label_studio", val_share=0)
    sample = dataset.train[0]
    assert sample.texts == ["TOTAL 12", "###", "", ""]
    assert sample.ignore.tolist() == [False, True, True, True]
    assert sample.polygons[0].tolist() == [[10, 1], [18, 1], [18, 3], [10, 3]]
    assert sample.polygons[2].tolist() == [[1, 1], [9, 2], [10, 9], [2, 8], [0.5, 4]]
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (1, 4, [])
    assert dataset.train.labels(0).size == (10, 20)
    learned = opened("label_studio", val_share=0, ignore_untranscribed=False)[0].train[0]
    assert learned.ignore.tolist() == [False, True, False, False]


@pytest.mark.parametrize("angle", [0, 30, 90, 328.33240366032836, -10.5])
def test_a_rectangle_is_turned_around_its_first_corner(
    tmp_path: Path, opened: Any, picture: Any, angle: float
) -> None:
    """The documentation: x and y of the top left corner before rotation. Shapely as the independent twin."""
    picture("a.png")
    place = {"x": 25, "y": 30, "width": 40, "height": 20, "rotation": angle}
    export(tmp_path, task(region("r1", place=place)))
    polygon = opened("label_studio", val_share=0)[0].train.labels(0).polygons[0]
    # Shapely turns from x to y, which is clockwise where y points down.
    expected = rotate(box(5, 3, 13, 5), angle, origin=(5, 3))
    assert Polygon(polygon).symmetric_difference(expected).area < 1e-4
    assert np.allclose(polygon[0], [5, 3])


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("/data/upload/12/0a1b2c3d-scan%201.png", "images/scan 1.png"),
        ("/data/upload/12/0a1b2c3d-a.png", "images/0a1b2c3d-a.png"),
        ("/data/upload/a.png", "upload/a.png"),
        ("/data/local-files/?d=sets/one/a%26b.png", "images/one/a&b.png"),
        ("https://example.com/label-studio/1.png?token=x", "1.png"),
        ("s3://bucket/pages/a.png", "images/pages/a.png"),
        ("a, #1.png", "a, #1.png"),
    ],
)
def test_the_address_of_an_image_leads_to_its_file(
    tmp_path: Path, opened: Any, picture: Any, address: str, file: str
) -> None:
    picture(file)
    export(tmp_path, task(region("r1"), address))
    dataset, context = opened("label_studio", val_share=0)
    assert list(dataset.train.files) == [tmp_path / file]
    assert context.data_report.skipped == []


def test_of_several_annotations_one_counts(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture("a.png", "b.png", "c.png")

    def annotation(key: int, text: str, **more: Any) -> dict[str, Any]:
        return {"id": key, "result": region("r", [text]), "was_cancelled": False, **more}

    several = [annotation(1, "first"), annotation(2, "last"), annotation(3, "no", was_cancelled=True)]
    truth = [annotation(4, "truth", ground_truth=True), annotation(5, "other")]
    old = {"completions": [annotation(6, "old")], "data": {"image": "c.png"}}
    export(tmp_path, task([], "a.png", annotations=several), task([], "b.png", annotations=truth), old)
    dataset, context = opened("label_studio", val_share=0)
    assert [dataset.train.labels(n).texts for n in range(3)] == [["last"], ["truth"], ["old"]]
    file = "project-1-at-2026-01-02-03-04-0a1b2c3d.json"
    assert entries(context) == [
        f"{file}: task 1: annotation 1 is not used: the task has several",
        f"{file}: task 2: annotation 5 is not used: the task has several",
    ]


def test_bad_tasks_and_regions_are_entered(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture("a.png", "b.png")
    result = [
        entry("good", "rectangle", PLACE),
        entry("brush", "brushlabels", {"format": "rle", "rle": [0, 1], "brushlabels": ["x"]}),
        entry("text", "rectangle", PLACE | {"width": "40"}),
        entry("angle", "rectangle", PLACE | {"rotation": 1e999}),
        entry("points", "polygon", {"points": [[1, 2], [3]]}),
        entry("flat", "rectangle", PLACE | {"height": 0}),
        entry("words", "textarea", PLACE | {"text": [["x"]]}),
        "entry",
    ]
    valid = json.dumps([task(result)]).replace("Infinity", "1e999")
    cancelled = [{"id": 1, "result": [], "was_cancelled": True}]
    more = [
        task([], "b.png", annotations=[]),
        task([], "b.png", annotations=cancelled),
        task([], "b.txt"),
        task([], "http://[.png"),
        task([], "gone.png"),
        {"annotations": [{"result": 3}], "data": {"image": "b.png"}},
        {"data": []},
        7,
        task([]),
    ]
    (tmp_path / "train.json").write_text(valid[:-1] + "," + json.dumps(more)[1:])
    dataset, context = opened("label_studio", val_share=0)
    assert [path.name for path in dataset.train.files] == ["a.png"]
    assert dataset.train.labels(0).ignore == [False, True]
    assert (context.data_report.images, context.data_report.labels) == (10, 8)
    found = entries(context)
    assert found[:1] == ["train.json: /data/upload/1/0a1b2c3d-a.png, entry 8: entry is not an object"]
    assert [line.partition("region ")[2] for line in found[1:7]] == [
        "brush: its rle is truncated",
        "text: [40.0, '20.0'] is not a point [x, y]".replace("[40.0, '20.0']", "['40', 20.0]"),
        "angle: the rotation inf is not an angle",
        "points: [3] is not a point [x, y]",
        "flat: the outline has no area: kept as don't care",
        "words: the text is neither text nor null: ['x']",
    ]
    assert found[7:] == [
        "train.json: task 2: it is not annotated",
        "train.json: task 3: its annotation was cancelled",
        "train.json: task 4: its data has no image name: b.txt",
        "train.json: task 5: Invalid IPv6 URL",
        "gone.png: there is no such image",
        'train.json: task 7: there is no list "result"',
        "train.json: task 8: its data has no image name: nothing",
        "train.json: task 9: its data has no image name: nothing",
        "/data/upload/1/0a1b2c3d-a.png: it is already annotated",
    ]


def test_json_min_and_other_files_are_refused(tmp_path: Path, opened: Any) -> None:
    export(tmp_path, {"ocr": "/data/upload/1/a.png", "id": 1, "bbox": [PLACE], "transcription": ["TOTAL"]})
    with pytest.raises(
        DataError, match=r"json' is not Label Studio's: its tasks have no annotations\n  if it is JSON-MIN"
    ):
        opened("label_studio")[0].train  # noqa: B018
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(DataError, match=r"train\.json' is not Label Studio's: it is not a list of tasks"):
        opened("label_studio")[0].train  # noqa: B018


def test_of_two_exports_the_user_chooses(tmp_path: Path, opened: Any, picture: Any) -> None:
    picture("a.png")
    for name in ("project-1-at-2026.json", "project-1-at-2025.json"):
        export(tmp_path, task(region("r1")), name=name)
    with pytest.raises(DataError) as caught:
        opened("label_studio")
    assert str(caught.value) == (
        f"dataset=label_studio: '{tmp_path}' holds 2 files 'project-*.json'\n"
        "  found: project-1-at-2025.json, project-1-at-2026.json\n"
        "  choose one: dataset.train_file=…"
    )
    chosen = Path("project-1-at-2026.json")
    assert len(opened("label_studio", train_file=chosen, val_share=0)[0].train) == 1


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("Scan 1 (copy), A&B.png", "0a1b2c3d-Scan_1_copy_AB.png"),
        ("  a b .png", "0a1b2c3d-a_b_.png"),
        ("Quittung für [2].png", "0a1b2c3d-Quittung_für_2.png"),
        ("영수증 #1.png", "0a1b2c3d-영수증_1.png"),
        ("Scan 1 (copy).png", "Scan_1_copy.png"),
        ("2023/Scan 1.png", "0a1b2c3d-Scan_1.png"),
        ("a-b.c.png", "0a1b2c3d-a-b.c.png"),
        ("deadbeef-a 1.png", "deadbeef-a_1.png"),
        ("deadbeef-a 1.png", "0a1b2c3d-deadbeef-a_1.png"),
    ],
)
def test_names_are_compared_as_they_are_cleaned_at_upload(
    tmp_path: Path, opened: Any, picture: Any, file: str, named: str
) -> None:
    picture(f"images/{file}")
    export(tmp_path, task(region("r"), f"/data/upload/1/{named}"))
    dataset, context = opened("label_studio", val_share=0)
    assert ([path.name for path in dataset.train.files], context.data_report.skipped) == (
        [Path(file).name],
        [],
    )


def test_a_name_that_was_cut_is_found_by_its_beginning(tmp_path: Path, opened: Any, picture: Any) -> None:
    file = f"{'Quittung ' * 12}1.png"
    picture(f"images/{file}")
    start = "upload/1/0a1b2c3d-"
    stem = file.replace(" ", "_")[: 100 - len(start) - len("_aB3dE6g.png")]
    export(tmp_path, task(region("r"), f"/data/{start}{stem}_aB3dE6g.png"))
    dataset, _ = opened("label_studio", val_share=0)
    assert [path.name for path in dataset.train.files] == [file]


def test_names_that_are_cleaned_alike_are_named(tmp_path: Path, opened: Any, picture: Any) -> None:
    for file in ("a 1.png", "a_1.png", "a (1).png"):
        picture(f"images/{file}")
    tasks = (task(region("r"), f"/data/upload/1/{prefix}-a_1.png") for prefix in ("0a1b2c3d", "1a1b2c3d"))
    export(tmp_path, *tasks)
    dataset, context = opened("label_studio", val_share=0)
    assert len(dataset.train) == 0
    names = "'a (1).png', 'a 1.png', 'a_1.png'"
    reason = f"it may be any of {names}, which Label Studio gives one name at upload"
    assert [entry.reason for entry in context.data_report.skipped] == [reason] * 2

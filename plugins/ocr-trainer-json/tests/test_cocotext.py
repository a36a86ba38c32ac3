"""COCO-Text and TextOCR, after the samples on their pages and in MMOCR's dataset zoo; no real file at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError

QUAD = [[1, 1], [9, 1], [9, 5], [1, 5]]
FLAT = [1, 1, 9, 1, 9, 5, 1, 5]


def ann(image: Any, text: Any = "the", **more: Any) -> dict[str, Any]:
    """The sample of COCO-Text v2, moved into a small picture."""
    kind = {"class": "machine printed", "language": "english", "legibility": "legible", "area": 55.5}
    return {
        "mask": FLAT,
        "bbox": [1, 1, 8, 4],
        "image_id": image,
        "id": 1,
        **kind,
        "utf8_string": text,
    } | more


def img(key: Any, name: str, split: str | None = "train", **more: Any) -> dict[str, Any]:
    return {"id": key, "file_name": name, "width": 20, "height": 10, "set": split} | more


def names(split: Any) -> list[str] | None:
    return None if split is None else [path.name for path in split.files]


def write(path: Path, imgs: Any, anns: Any, **more: Any) -> None:
    path.write_text(json.dumps({"cats": {}, "anns": anns, "imgs": imgs, "imgToAnns": {}, "info": {}} | more))


def test_cocotext_says_itself_who_is_in_which_split(
    tmp_path: Path, opened: Any, entries: Any, picture: Any
) -> None:
    sets = ["train", "val", "test", "test", "train", "dev"]
    files = [f"COCO_train2014_{n:012}.jpg" for n in range(6)]
    picture(*(f"train2014/{name}" for name in files))
    imgs = {str(n): img(n, name, split) for n, (name, split) in enumerate(zip(files, sets, strict=True))}
    anns = {
        "9": ann(1, "val"),
        "45346": ann(0),
        "2": ann(0, "gone", legibility="illegible"),
        "3": ann(0, "", language="not english"),
        "4": {k: v for k, v in ann(0, "v1", polygon=FLAT).items() if k != "mask"},
        "5": ann(0, "box", mask=[], bbox=[1, 1, 8, 4]),
        "6": ann("1", 12),
    }
    write(tmp_path / "cocotext.v2.json", imgs, anns)
    dataset, context = opened("cocotext", val_share=0.5)
    train, val = dataset.train[0], dataset.val[0]
    assert [names(dataset.train), names(dataset.val)] == [[files[0], files[4]], [files[1]]]
    assert train.texts == ["the", "gone", "", "v1", "box"]
    assert train.ignore.tolist() == [False, True, True, False, False]
    assert all(polygon.tolist() == QUAD for polygon in train.polygons)
    assert val.texts == ["val", "12"]
    assert (context.data_report.images, context.data_report.labels) == (6, 7)
    assert entries(context) == [
        f"cocotext.v2.json: {files[5]}: its set is not one of train, val, test: dev",
        "cocotext.v2.json: 2 test images have no labels",
    ]
    foreign = opened("cocotext", ignore_untranscribed=False)[0].train[0]
    assert foreign.ignore.tolist() == [False, True, False, False, False]


def test_textocr_has_a_file_per_split(tmp_path: Path, opened: Any, picture: Any) -> None:
    picture("train_images/a1.jpg", "train_images/b2.jpg", "train_images/c3.jpg")
    for split, key in (("train", "a1"), ("val", "b2")):
        first = {
            "points": FLAT,
            "bbox": [1, 1, 8, 4],
            "image_id": key,
            "id": f"{key}_1",
            "utf8_string": "Café",
        }
        curve = [1.5, 1, 5, 0, 9, 1, 9, 5.25, 5, 4, 1, 5]
        anns = {f"{key}_1": first, f"{key}_2": first | {"utf8_string": ".", "points": curve}}
        write(tmp_path / f"TextOCR_0.1_{split}.json", {key: img(key, f"train/{key}.jpg")}, anns)
    dataset, context = opened("textocr")
    assert [names(dataset.train), names(dataset.val), dataset.test] == [["a1.jpg"], ["b2.jpg"], None]
    sample = dataset.val[0]
    assert (sample.texts, sample.ignore.tolist()) == (["Café", "."], [False, True])
    assert sample.polygons[0].tolist() == QUAD
    assert sample.polygons[1].shape == (6, 2)
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (2, 4, [])
    documented = img("a1", "") | {"filename": "train/c3.jpg"}
    write(tmp_path / "TextOCR_0.1_train.json", {"a1": documented}, {})
    assert names(opened("textocr")[0].train) == ["c3.jpg"]


@pytest.mark.parametrize("name", ["cocotext", "textocr"])
def test_bad_entries_are_named(tmp_path: Path, opened: Any, entries: Any, picture: Any, name: str) -> None:
    picture("a.png", "b.png")
    key = "mask" if name == "cocotext" else "points"
    imgs = {
        "1": img(1, "a.png"),
        "2": img(2, 5),
        "3": "image",
        "4": img(4, "gone.png"),
        "5": img(5, "../b.png"),
    }
    anns = {
        "10": ann(1, "good", **{key: FLAT}),
        "11": ann(1, **{key: FLAT[:5]}),
        "12": ann(1, **{key: [*FLAT[:7], "5"]}),
        "13": ann(1, ["x"], **{key: FLAT}),
        "14": ann(2, **{key: FLAT}),
        "15": ann(99, **{key: FLAT}),
        "16": 3,
        "17": ann(1, **{key: [1, 1, 9, 1, 1, 5, 9, 5]}),
        "18": ann(1, **{key: [2, 2]}),
    }
    write(tmp_path / "train.json", imgs, anns)
    dataset, context = opened(name, train_file=Path("train.json"), val_share=0)
    assert names(dataset.train) == ["a.png", "b.png"]
    # The others have a box, which COCO-Text has as well as an outline; a text that is no text is "don't care".
    assert dataset.train.labels(0).ignore == [False, False, False, True, True, False]
    assert [len(polygon) for polygon in dataset.train.labels(0).polygons] == [4] * 6
    assert (context.data_report.images, context.data_report.labels) == (5, 9)
    assert entries(context) == [
        'train.json: image 2: there is no "file_name", the name of an image',
        'train.json: image 3: there is no "file_name", the name of an image',
        "train.json: a.png, annotation 11: 5 numbers do not form points: there must be an even number: its box is used",
        "train.json: a.png, annotation 12: [1, 1, 9, 1, 9, 5, 1, '5'] is not a list of numbers: its box is used",
        "train.json: a.png, annotation 13: the utf8_string is neither text nor null: ['x']: kept as don't care",
        "train.json: annotation 14: there is no image 2",
        "train.json: annotation 15: there is no image 99",
        "train.json: annotation 16: it has no image_id",
        "train.json: a.png, annotation 17: the outline crosses itself: kept as don't care",
        "train.json: a.png, annotation 18: 1 point is not a polygon: its box is used",
        "gone.png: there is no such image",
    ]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 4), max_size=30), st.permutations(["imgs", "anns", "info"]), st.booleans())
def test_the_order_in_the_file_does_not_matter(
    tmp_path: Path, opened: Any, picture: Any, owners: list[int], order: list[str], bom: bool
) -> None:
    picture(*(f"{n}.png" for n in range(5)))
    anns = {str(n): ann(owner, f"w{n}", points=FLAT) for n, owner in enumerate(owners)}
    sections = {"imgs": {str(n): img(n, f"{n}.png") for n in range(5)}, "anns": anns, "info": {}}
    text = json.dumps({section: sections[section] for section in order})
    (tmp_path / "train.json").write_text(text, encoding="utf-8-sig" if bom else "utf-8")
    dataset, context = opened("textocr", val_share=0)
    assert [dataset.train.labels(n).texts for n in range(5)] == [
        [f"w{n}" for n, owner in enumerate(owners) if owner == image] for image in range(5)
    ]
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (
        5,
        len(owners),
        [],
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"imgs": {"1": \n{,}}}', "is not JSON: line 2, column 2: "),
        (b'{"imgs": {"1": {"file_name": "a.png"}}, "anns": {"1": [', "is not JSON: line 1, column "),
        (b"", "is not JSON: line 1, column 1: "),
        (b"[]", 'is not TextOCR: there are no images "imgs"'),
        (b'{"imgs": []}', 'is not TextOCR: there are no images "imgs"'),
        (b'{"imgs": {"1": ' + b"1" * 5000 + b"}}", "cannot be read as JSON: "),
        ("{}".encode("utf-16"), "is UTF-16 text"),
        (b'{"imgs": {"\xe9": 1}}', "is not UTF-8: byte 12"),
    ],
)
def test_what_is_no_textocr_is_refused_with_its_place(
    tmp_path: Path, opened: Any, content: bytes, message: str
) -> None:
    (tmp_path / "train.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        opened("textocr")[0].train  # noqa: B018
    assert f"train.json' {message}" in str(caught.value)

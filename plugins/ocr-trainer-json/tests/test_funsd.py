"""FUNSD: the real forms, counted another way, and files broken on purpose."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ocr_trainer_json.plugin import Level

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data")) / "forms_funsd"
real = pytest.mark.skipif(not DATA.exists(), reason="forms_funsd is not among the data (OCR_TRAINER_DATA)")

ENTITY = {"text": "TO:", "box": [10, 2, 19, 8], "words": [{"text": "TO:", "box": [10, 2, 19, 8]}]}


@real
def test_the_real_forms_by_word(opened: Callable[..., Any]) -> None:
    dataset, context = opened("funsd", DATA, val_share=0.2)
    splits = [dataset.train, dataset.val, dataset.test]
    labels = [split.labels(index) for split in splits for index in range(len(split))]
    assert len(dataset.train) + len(dataset.val) == len(list((DATA / "training_data" / "images").iterdir()))
    assert len(dataset.test) == len(list((DATA / "testing_data" / "images").iterdir())) == 10
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (
        46,
        7100,
        [],
    )
    # Counted in the text of the files: every word has a box, and so has every entity; no other thing has.
    raw = "".join(path.read_text(encoding="utf-8") for path in DATA.glob("*/annotations/*.json"))
    assert sum(len(one.texts) for one in labels) == raw.count('"box":') - raw.count('"linking":') == 7100
    documents = [json.loads(path.read_bytes()) for path in DATA.glob("*/annotations/*.json")]
    texts = [word["text"] for form in documents for entity in form["form"] for word in entity["words"]]
    assert sum(sum(one.ignore) for one in labels) == sum(not text.strip() for text in texts) > 100
    assert sorted(t for one in labels for t in one.texts) == sorted(text.strip() for text in texts)


@real
def test_the_real_forms_by_line(opened: Callable[..., Any]) -> None:
    dataset, context = opened("funsd", DATA, level=Level.line)
    labels = [dataset.test.labels(index) for index in range(len(dataset.test))]
    raw = "".join(path.read_text(encoding="utf-8") for path in DATA.glob("testing_data/annotations/*.json"))
    assert sum(len(one.texts) for one in labels) == raw.count('"linking":')
    assert any(" " in text for one in labels for text in one.texts)
    assert context.data_report.skipped == []


@real
def test_a_word_lies_where_its_box_says(opened: Callable[..., Any]) -> None:
    dataset, _ = opened("funsd", DATA)
    sample = dataset.test[0]
    dark = sample.image.mean(axis=2) < 128
    boxes = [
        polygon.astype(int) for polygon, skip in zip(sample.polygons, sample.ignore, strict=True) if not skip
    ]
    inked = [dark[box[0, 1] : box[2, 1], box[0, 0] : box[2, 0]].mean() for box in boxes]
    assert min(inked) > 0
    assert sum(inked) / len(inked) > 3 * dark.mean()


def write(root: Path, name: str, content: Any, part: str = "training_data") -> None:
    path = root / part / "annotations" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def test_bad_files_and_words_are_entered(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture(*(f"training_data/images/{name}.png" for name in ("good, &1", "cut", "list", "none", "unpaired")))
    words = [
        *ENTITY["words"],
        {"text": None, "box": [1, 1, 5, 5]},
        {"text": 12, "box": [30.5, -4, -2, 5]},  # partly outside, corners swapped
        {"text": "x", "box": [1, 1, 5]},
        {"text": "x", "box": [1, 1, 5, "5"]},
        {"text": "x", "box": [1, 1, 1, 5]},
        {"text": ["x"], "box": [1, 1, 5, 5]},
        {"text": "x", "box": [1, 1, float("inf"), 5]},
        {"text": "x"},
        "word",
    ]
    write(
        tmp_path,
        "good, &1.json",
        b"\xef\xbb\xbf" + json.dumps({"form": [ENTITY | {"words": words}, 3]}).encode(),
    )
    write(tmp_path, "cut.json", b'{"form": [\n  {"box": [1,')
    write(tmp_path, "list.json", [ENTITY])
    write(tmp_path, "none.json", {"form": None})
    write(tmp_path, "gone.json", {"form": [ENTITY]})
    dataset, context = opened("funsd", val_share=0)
    sample = dataset.train[0]
    assert len(dataset.train) == 1
    assert sample.texts == ["TO:", "", "12", "", "", "x", "", "x"]
    assert sample.ignore.tolist() == [False, True, False, *[True] * 5]
    assert sample.polygons[0].tolist() == [[10, 2], [19, 2], [19, 8], [10, 8]]
    folder, file = "training_data/annotations", "training_data/annotations/good, &1.json"
    assert (context.data_report.images, context.data_report.labels) == (6, 11)
    assert sorted(entries(context)) == [
        f"{folder}/gone.json: no image for this annotation in 'training_data/images'",
        f"{file}: entity 1, word 10: word is not an object",
        f"{file}: entity 1, word 4: [1, 1, 5] is not a box [left, top, right, bottom]: kept as don't care",
        f"{file}: entity 1, word 5: [1, 1, 5, '5'] is not a box [left, top, right, bottom]: kept as don't care",
        f"{file}: entity 1, word 6: the outline has no area: kept as don't care",
        f"{file}: entity 1, word 7: the text is neither text nor null: ['x']: kept as don't care",
        f"{file}: entity 1, word 8: the coordinate inf is not a finite number: kept as don't care",
        f"{file}: entity 1, word 9: None is not a box [left, top, right, bottom]",
        f"{file}: entity 2: 3 is not an object",
        f"training_data/images/cut.png: '{folder}/cut.json' is not JSON: line 2, column 14: Expecting value",
        f"training_data/images/list.png: '{folder}/list.json' is not FUNSD: there is no list \"form\"",
        f"training_data/images/none.png: '{folder}/none.json' is not FUNSD: there is no list \"form\"",
        f"training_data/images/unpaired.png: no annotation file for it in '{folder}'",
    ]

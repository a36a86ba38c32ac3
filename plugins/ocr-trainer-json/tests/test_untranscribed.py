"""Labels without a transcription: text to detect where none of a dataset has one, else "don't care"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BOX = [2, 2, 12, 6]
QUAD = [[2, 2], [12, 2], [12, 6], [2, 6]]
FLAT = [2, 2, 12, 2, 12, 6, 2, 6]
RECT = {"x": 10.0, "y": 10.0, "width": 50.0, "height": 30.0, "rotation": 0}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def funsd(root: Path, texts: list[str]) -> None:
    words = [{"box": BOX, "text": text} for text in texts]
    write(
        root / "training_data" / "annotations" / "a.json",
        {"form": [{"box": BOX, "text": "", "words": words}]},
    )


def cocotext(root: Path, texts: list[str], name: str = "cocotext.v2.json") -> None:
    anns = {
        f"{n}": {"mask": FLAT, "points": FLAT, "image_id": "1", "utf8_string": t} for n, t in enumerate(texts)
    }
    image = {"id": "1", "file_name": "a.png", "height": 10, "width": 20, "set": "train"}
    write(root / name, {"anns": anns, "imgs": {"1": image}})


def textocr(root: Path, texts: list[str]) -> None:
    cocotext(root, texts, "TextOCR_0.1_train.json")


def labelme(root: Path, texts: list[str]) -> None:
    shapes = [{"label": text, "points": QUAD, "shape_type": "polygon"} for text in texts]
    write(root / "annotations" / "a.json", {"shapes": shapes, "imageHeight": 10, "imageWidth": 20})


def label_studio(root: Path, texts: list[str]) -> None:
    size = {"original_width": 20, "original_height": 10}
    result = [
        {"id": f"r{n}", "type": "rectangle", "value": RECT | ({"text": [text]} if text else {}), **size}
        for n, text in enumerate(texts)
    ]
    write(root / "project-1.json", [{"annotations": [{"result": result}], "data": {"image": "a.png"}}])


IMAGES = {"funsd": "training_data/images", "cocotext": "images", "textocr": ".", "labelme": "images"}
MAKERS = {maker.__name__: maker for maker in (funsd, cocotext, textocr, labelme, label_studio)}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("texts", "option", "ignored"),
    [
        (["", ""], None, [False, False]),
        (["", ""], True, [True, True]),
        (["A", ""], None, [False, True]),
        (["A", ""], False, [False, False]),
    ],
)
def test_they_count_if_no_label_of_the_dataset_has_one(
    tmp_path: Path,
    opened: Any,
    picture: Any,
    name: str,
    texts: list[str],
    option: bool | None,
    ignored: list[bool],
) -> None:
    picture(f"{IMAGES.get(name, 'images')}/a.png")
    MAKERS[name](tmp_path, texts)
    dataset, context = opened(name, val_share=0, ignore_untranscribed=option)
    assert dataset.train.labels(0).ignore == ignored
    assert dataset.train[0].ignore.tolist() == ignored
    counts = {reason: number for reason, number in dataset.train.label_counts().items() if number}
    assert counts == {r: n for r, n in (("", ignored.count(False)), ("no transcription", sum(ignored))) if n}
    said = [note for note in context.data_report.notes if "transcription" in note]
    assert bool(said) == (texts == ["", ""] and option is None)
    if said:
        start = (
            f"no label of dataset={name} has a transcription, so its 2 labels without one are text to detect"
        )
        assert said[0].startswith(start)


@pytest.mark.parametrize("name", ["labelme", "label_studio"])
def test_a_mark_of_dont_care_is_no_transcription(
    tmp_path: Path, opened: Any, picture: Any, name: str
) -> None:
    picture("images/a.png")
    MAKERS[name](tmp_path, ["###", ""])
    dataset, _ = opened(name, val_share=0)
    assert dataset.train.labels(0).reasons == ["the text ### means don't care", ""]


def test_one_transcription_in_another_split_decides(tmp_path: Path, opened: Any, picture: Any) -> None:
    for split, texts in (("train", ["", ""]), ("val", ["A", ""])):
        picture(f"{split}/images/{split}.png")
        labelme(tmp_path / split, texts)
        (tmp_path / split / "annotations" / "a.json").rename(
            tmp_path / split / "annotations" / f"{split}.json"
        )
    dataset, context = opened("labelme")
    assert dataset.train.labels(0).ignore == [True, True]
    assert dataset.val.labels(0).ignore == [False, True]
    assert context.data_report.notes == []

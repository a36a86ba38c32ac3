"""`jsonl`, our own format, and `paddleocr`, after the examples of PaddleOCR's ocr_datasets.md (no real file at hand)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError

QUAD = [[1, 1], [9, 1], [9, 5], [1, 5]]
CURVE = [[1.5, 1], [5, 0], [9, 1], [9, 5.25], [5, 4], [1, 5]]

MASA = 'ch4_test_images/img_61.jpg\t[{"transcription": "MASA", "points": [[3, 1], [16, 1], [18, 6], [12, 9]]}, {"transcription": "###", "points": [[1, 1], [9, 1], [9, 5], [1, 5]]}]'
"""As in the documentation, its points moved into a small picture."""


def names(split: Any) -> list[str] | None:
    return None if split is None else [path.name for path in split.files]


def jsonl(path: Path, *rows: Any, end: str = "\n", bom: bool = False) -> None:
    text = "".join(
        (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + end for row in rows
    )
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8", "surrogatepass"))


@pytest.mark.parametrize(("end", "bom"), [("\n", False), ("\r\n", True)])
def test_rows_of_our_own(tmp_path: Path, opened: Any, picture: Any, end: str, bom: bool) -> None:
    picture("scans/a 1, &.png", "b.png", "c.png")
    words = [
        {"points": QUAD, "text": ' "TOTAL", 5 '},
        {"points": CURVE, "text": "###", "ignore": False, "language": "ko"},
        {"points": QUAD, "ignore": True},
        {"points": [*QUAD, QUAD[0]], "text": 1968},
        {"points": [[-5, -3], *QUAD[1:]], "text": None},
    ]
    rows = [
        {"image": "scans/a 1, &.png", "words": words, "width": 20, "height": 10, "source": "scanner"},
        "",
        {"image": "b.png", "words": []},
        {"image": "c.png", "words": [], "width": 10, "height": 20},
    ]
    jsonl(tmp_path / "train.jsonl", *rows, end=end, bom=bom)
    dataset, context = opened("jsonl", val_share=0)
    sample = dataset.train[0]
    assert sample.texts == ['"TOTAL", 5', "###", "", "1968", ""]
    assert sample.ignore.tolist() == [False, False, True, False, False]
    assert sample.polygons[1].tolist() == CURVE
    assert sample.polygons[3].tolist() == QUAD
    assert sample.polygons[4][0].tolist() == [-5, -3]
    assert dataset.train[1].polygons == []
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (3, 5, [])
    with pytest.raises(DataError, match=r"c\.png' is 20 x 10 pixels, but was annotated at 10 x 20"):
        dataset.train[2]


def test_a_row_can_name_its_split(tmp_path: Path, opened: Any, picture: Any) -> None:
    splits = ["train", "train", "val", "test", None]
    picture(*(f"{n}.png" for n in range(5)))
    rows = [{"image": f"{n}.png", "words": [], "split": split} for n, split in enumerate(splits)]
    jsonl(tmp_path / "annotations.jsonl", *rows)
    dataset, _ = opened("jsonl")
    assert [names(split) for split in (dataset.train, dataset.val, dataset.test)] == [
        ["0.png", "1.png", "4.png"],
        ["2.png"],
        ["3.png"],
    ]
    jsonl(tmp_path / "annotations.jsonl", *rows[:2])
    dataset, _ = opened("jsonl", val_share=0.5)
    assert (len(dataset.train), len(dataset.val), dataset.test) == (1, 1, None)


def test_bad_rows_are_entered_with_their_line(
    tmp_path: Path, opened: Any, entries: Any, picture: Any
) -> None:
    picture("a.png")
    words = [
        {"points": QUAD},
        {"points": [[1, 1]]},
        {"points": [[1, 1], [2, 2], [3, "3"]]},
        {"points": [["1", "1"], ["9", "1"], ["9", "5"]]},
        {"points": QUAD, "ignore": "no"},
        {"points": QUAD, "text": {}},
        {"points": [QUAD[0], QUAD[1], QUAD[3], QUAD[2]]},
        {"points": [[-9, 1], [-5, 1], [-5, 5]]},
        "word",
    ]
    rows = [
        {"image": "a.png", "words": words},
        '{"image": "a.png", "words": [}',
        {"image": "a.png", "words": []},
        {"image": "gone.png", "words": []},
        {"image": "/etc/hostname", "words": []},
        {"image": "x" * 300, "words": []},
        {"image": "\ud800.png", "words": []},
        {"image": "a.png"},
        {"image": "", "words": []},
        {"image": "a.png", "words": [], "split": "dev"},
        [],
    ]
    jsonl(tmp_path / "train.jsonl", *rows)
    with (tmp_path / "train.jsonl").open("ab") as file:
        file.write(b'{"image": "caf\xe9.png"}\n' + b"[" * 100_000 + b"\n")
    dataset, context = opened("jsonl", val_share=0)
    assert dataset.train.labels(0).ignore == [False, *[True] * 6]
    assert (len(dataset.train), context.data_report.images, context.data_report.labels) == (1, 13, len(words))
    found = entries(context)
    assert found[:8] == [
        "train.jsonl:1: word 2: 1 point is not a polygon: kept as don't care",
        "train.jsonl:1: word 3: [3, '3'] is not a point [x, y]: kept as don't care",
        "train.jsonl:1: word 4: ['1', '1'] is not a point [x, y]: kept as don't care",
        "train.jsonl:1: word 5: ignore must be true or false: no: kept as don't care",
        "train.jsonl:1: word 6: the text is neither text nor null: {}: kept as don't care",
        "train.jsonl:1: word 7: the outline crosses itself: kept as don't care",
        "train.jsonl:1: word 8: it lies outside the image, to the left or above",
        "train.jsonl:1: word 9: word is not an object",
    ]
    assert found[8:13] == [
        "train.jsonl:2: not JSON: column 30: Expecting value",
        "a.png: it is already annotated",
        "gone.png: there is no such image",
        "/etc/hostname: the name '/etc/hostname' leads out of the image folder",
        f"{'x' * 300}: there is no such image",
    ]
    assert found[14:19] == [
        'train.jsonl:8: there is no list "words"',
        'train.jsonl:9: there is no "image", the name of an image',
        "train.jsonl:10: the split is not one of train, val, test: dev",
        'train.jsonl:11: there is no "image", the name of an image',
        "train.jsonl:12: not UTF-8: byte 0xe9",
    ]
    assert found[19].startswith("train.jsonl:13: ")


coordinate = st.integers(1, 9999) | st.floats(1, 9999, width=32)
points = st.tuples(coordinate, coordinate).map(lambda p: [[p[0], p[1]], [p[0] + 9, p[1]], [p[0], p[1] + 9]])
texts = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(points, texts, st.booleans()), max_size=5))
def test_what_is_written_is_read_again(tmp_path: Path, opened: Any, picture: Any, words: list[Any]) -> None:
    picture("a.png")
    made = [{"points": p, "text": text, "ignore": ignore} for p, text, ignore in words]
    jsonl(tmp_path / "train.jsonl", {"image": "a.png", "words": made})
    labels = opened("jsonl", val_share=0)[0].train.labels(0)
    assert labels.texts == [text.strip() for _, text, _ in words]
    assert labels.ignore == [ignore for _, _, ignore in words]
    for polygon, (outline, _, _) in zip(labels.polygons, words, strict=True):
        assert polygon.ravel().tolist() == pytest.approx([value for point in outline for value in point])


def test_the_documented_files_of_paddleocr(tmp_path: Path, opened: Any, picture: Any) -> None:
    picture("icdar_c4_train_imgs/img 1, &.jpg", "ch4_test_images/img_61.jpg")
    word = {"transcription": "*", "points": QUAD, "difficult": True, "key_cls": "None"}
    row = json.dumps([word, word | {"transcription": ""}, word | {"transcription": "1968", "points": CURVE}])
    (tmp_path / "train_icdar2015_label.txt").write_text(f"icdar_c4_train_imgs/img 1, &.jpg\t{row}\r\n")
    (tmp_path / "test_icdar2015_label.txt").write_text(f"\ufeff{MASA}\n", encoding="utf-8")
    dataset, context = opened("paddleocr", val_share=0)
    train, test = dataset.train[0], dataset.test[0]
    assert (train.texts, train.ignore.tolist()) == (["*", "", "1968"], [True, False, False])
    assert (test.texts, test.ignore.tolist()) == (["MASA", "###"], [False, True])
    assert test.polygons[0].tolist() == [[3, 1], [16, 1], [18, 6], [12, 9]]
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (2, 5, [])
    strict = {"ignore_untranscribed": True, "dont_care": ["1968"]}
    assert opened("paddleocr", val_share=0, **strict)[0].train[0].ignore.tolist() == [False, True, True]


def test_label_txt_of_the_annotation_tool(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture("a.png", "b.png")
    labels = json.dumps([{"transcription": "a", "points": QUAD}, {"transcription": "b"}])
    rows = [
        f"work/pages/a.png\t{labels}",
        f"b.png {labels}",
        "b.png\t{}",
        "\t[]",
        "b.png\t[,]",
        "pages/a.png\t[]",
    ]
    (tmp_path / "Label.txt").write_text("\n".join(rows))
    dataset, context = opened("paddleocr", val_share=0)
    assert names(dataset.train) == ["a.png"]
    assert (context.data_report.images, context.data_report.labels) == (6, 2)
    assert entries(context) == [
        "Label.txt:1: word 2: it has no list of points",
        "Label.txt:2: there is no image name followed by a tab",
        "Label.txt:3: there is no list of labels after the tab",
        "Label.txt:4: there is no image name followed by a tab",
        "Label.txt:5: not JSON: column 8: Expecting value",
        "pages/a.png: it is already annotated",
    ]

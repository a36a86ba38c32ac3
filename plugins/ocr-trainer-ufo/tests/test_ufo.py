"""UFO files made from the documented form, with what real writers do to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ocr_trainer_ufo.dataset import Ufo
from ocr_trainer_ufo.plugin import UfoConfig
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

QUAD = [[1, 1], [9, 1], [9, 5], [1, 5]]
POLYGON = [[1.5, 1], [5, 0], [9, 1], [9, 5.25], [5, 4], [1, 5]]


def image(words: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"img_w": 20, "img_h": 10, "words": words if words is not None else {"0001": word()}}


def word(points: Any = QUAD, transcription: Any = "영수증", **more: Any) -> dict[str, Any]:
    return {"points": points, "transcription": transcription, **more}


def make(root: Path, file: str, images: dict[str, Any], folder: str | None = "images") -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps({"images": images}), encoding="utf-8")
    for name in images if folder else ():
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (20, 10)).save(path)


def open_ufo(root: Path, **options: Any) -> tuple[Ufo, Context]:
    context = Context(task=Task.detection)
    return Ufo(UfoConfig(name="ufo", root=root, **options), context), context


def names(split: Any) -> list[str] | None:
    return None if split is None else [path.name for path in split.files]


def entries(context: Context, root: Path) -> list[str]:
    return [str(entry).replace(f"{root}/", "") for entry in context.data_report.skipped]


def test_words_of_an_image(tmp_path: Path) -> None:
    words = {
        "0001": word(),
        "0002": word(POLYGON, " TOTAL "),
        "0003": word(transcription=None),
        "0004": word(transcription=""),
        "0005": word(transcription="###", illegibility=True),
        "0006": word(
            transcription=12, illegibility=False, orientation="Horizontal", language=["ko"], word_tags=None
        ),
    }
    make(tmp_path, "ufo/train.json", {"a 1.jpg": image(words)}, "img/train")
    dataset, context = open_ufo(tmp_path, val_share=0)
    sample = dataset.train[0]
    assert sample.polygons[0].tolist() == QUAD
    assert sample.polygons[1].tolist() == POLYGON
    assert sample.texts == ["영수증", "TOTAL", "", "", "###", "12"]
    assert sample.ignore.tolist() == [False, False, True, True, True, False]
    assert sample.source == str(tmp_path / "img" / "train" / "a 1.jpg")
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (1, 6, [])
    learned = open_ufo(tmp_path, val_share=0, ignore_untranscribed=False)[0].train[0]
    assert learned.ignore.tolist() == [False, False, False, False, True, False]


def test_bad_words_are_entered_by_name(tmp_path: Path) -> None:
    words = {
        "good": word(),
        "no points": {"transcription": "x"},
        "null": None,
        "two": word(QUAD[:2]),
        "nan": word([[float("nan"), 1], *QUAD[1:]]),
        "huge": word([[10**400, 1], *QUAD[1:]]),
        "text": word([["1", "1"], *QUAD[1:]]),
        "flag": word([[True, 1], *QUAD[1:]]),
        "three": word([[1, 2, 3], *QUAD[1:]]),
        "list text": word(transcription=["a"]),
        "bow tie": word([QUAD[0], QUAD[1], QUAD[3], QUAD[2]]),
        "line": word([[1, 1], [5, 1], [9, 1]]),
    }
    make(tmp_path, "train.json", {"a.jpg": image(words)})
    dataset, context = open_ufo(tmp_path, val_share=0)
    assert dataset.train[0].ignore.tolist() == [False, *[True] * 9]
    assert context.data_report.labels == len(words)
    assert entries(context, tmp_path) == [
        "train.json: a.jpg, word 'no points': it has no list of points",
        "train.json: a.jpg, word 'null': None is not an object",
        "train.json: a.jpg, word 'two': 2 points are not a polygon: kept as don't care",
        "train.json: a.jpg, word 'nan': the coordinate nan is not a finite number: kept as don't care",
        "train.json: a.jpg, word 'huge': the coordinate inf is not a finite number: kept as don't care",
        "train.json: a.jpg, word 'text': ['1', '1'] is not a point [x, y]: kept as don't care",
        "train.json: a.jpg, word 'flag': [True, 1] is not a point [x, y]: kept as don't care",
        "train.json: a.jpg, word 'three': [1, 2, 3] is not a point [x, y]: kept as don't care",
        "train.json: a.jpg, word 'list text': the transcription is neither text nor null: ['a']: kept as don't care",
        "train.json: a.jpg, word 'bow tie': the outline crosses itself: kept as don't care",
        "train.json: a.jpg, word 'line': the outline has no area: kept as don't care",
    ]


def test_bad_images_are_entered_and_text_free_ones_kept(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").touch()
    images = {"free.jpg": image({}), "null.jpg": {"words": None}}
    make(tmp_path, "train.json", images)
    bad = {
        "list.jpg": [],
        "none.jpg": {},
        "gone.jpg": image(),
        "../secret.jpg": image(),
        "/etc/hostname": image(),
    }
    for name in ("list.jpg", "none.jpg"):
        Pillow.new("RGB", (20, 10)).save(tmp_path / "images" / name)
    make(tmp_path, "train.json", images | bad, folder=None)
    dataset, context = open_ufo(tmp_path, val_share=0)
    assert names(dataset.train) == ["free.jpg", "null.jpg"]
    assert dataset.train[0].polygons == []
    assert entries(context, tmp_path) == [
        'train.json: list.jpg has no "words": {id: {"points": …}}',
        'train.json: none.jpg has no "words": {id: {"points": …}}',
        "images/gone.jpg: there is no such image",
        "images/../secret.jpg: the name '../secret.jpg' leads out of the image folder",
        "/etc/hostname: the name '/etc/hostname' leads out of the image folder",
    ]
    assert context.data_report.images == 7


def test_an_image_annotated_at_another_size_is_refused(tmp_path: Path) -> None:
    turned = {"img_w": 10, "img_h": 20, "words": {}}  # as of a photograph turned by its EXIF flag
    make(tmp_path, "train.json", {"a.jpg": turned})
    dataset, _ = open_ufo(tmp_path, val_share=0)
    with pytest.raises(DataError, match=r"a\.jpg' is 20 x 10 pixels, but was annotated at 10 x 20"):
        dataset.train[0]


def test_a_file_per_split(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        make(tmp_path, f"ufo/{split}.json", {"1.jpg": image()}, f"img/{split}")
    dataset, context = open_ufo(tmp_path)
    assert [names(split) for split in (dataset.train, dataset.val, dataset.test)] == [["1.jpg"]] * 3
    assert dataset.val[0].source == str(tmp_path / "img" / "val" / "1.jpg")
    assert context.data_report.skipped == []


def test_one_file_is_shared_out(tmp_path: Path) -> None:
    make(tmp_path, "ufo/annotation.json", {f"{i}.jpg": image() for i in range(50)})
    dataset, _ = open_ufo(tmp_path, val_share=0.2, test_share=0.1)
    parts = [names(split) for split in (dataset.train, dataset.val, dataset.test)]
    assert all(parts)
    assert sorted(name for part in parts for name in part) == sorted(f"{i}.jpg" for i in range(50))


def test_files_and_folder_that_the_options_name(tmp_path: Path) -> None:
    make(tmp_path, "one.json", {"sub/1.jpg": image()}, "pictures")
    make(tmp_path, "two.json", {"2.jpg": image()}, "pictures")
    options = {"train_file": Path("one.json"), "val_file": Path("two.json"), "images": Path("pictures")}
    dataset, _ = open_ufo(tmp_path, **options)
    assert (names(dataset.train), names(dataset.val), dataset.test) == (["1.jpg"], ["2.jpg"], None)
    with pytest.raises(
        DataError, match=r"dataset=ufo: there is no file '.*gone\.json', which test_file names"
    ):
        open_ufo(tmp_path, **options, test_file=Path("gone.json"))
    with pytest.raises(DataError, match=r"dataset=ufo: there is no folder '.*gone', which images names"):
        open_ufo(tmp_path, **options | {"images": Path("gone")})[0].train  # noqa: B018


def test_an_image_in_two_files_is_refused_before_training(tmp_path: Path) -> None:
    make(tmp_path, "train.json", {"1.jpg": image(), "2.jpg": image()})
    make(tmp_path, "test.json", {"2.jpg": image()})
    with pytest.raises(DataError, match=r"train\.json' and '.*test\.json' share 1 images"):
        open_ufo(tmp_path)[0].train  # noqa: B018


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"images": {\n  "a.jpg": {,}}}', "is not JSON: line 2, column 13: "),
        (b"", "is not JSON: line 1, column 1: "),
        (b'{"images": []}', 'is not UFO: it has no "images"'),
        (b"[]", 'is not UFO: it has no "images"'),
        (b'{"images": {"caf\xe9": 1}}', "is not UTF-8: byte 17"),
        ("{}".encode("utf-16"), "is UTF-16 text"),
        (b"[" * 200_000, "cannot be read as JSON"),
        (b'{"images": ' + b"1" * 5000 + b"}", "cannot be read as JSON"),
    ],
)
def test_what_is_no_ufo_is_refused_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "train.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_ufo(tmp_path)[0].train  # noqa: B018
    assert f"train.json' {message}" in str(caught.value)


def test_a_byte_order_mark_is_no_json_error(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_bytes(b'\xef\xbb\xbf{"images": {"a.jpg": {"words": {}}}}')
    Pillow.new("RGB", (20, 10)).save(tmp_path / "a.jpg")
    assert len(open_ufo(tmp_path)[0].train) == 1


def test_a_missing_root_and_a_missing_file_say_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_ufo(tmp_path / "gone")
    assert str(caught.value) == (
        f"dataset=ufo: there is no folder '{tmp_path / 'gone'}'\n  set its path: dataset.root=/path/to/it"
    )
    with pytest.raises(DataError) as caught:
        open_ufo(tmp_path)
    assert str(caught.value) == (
        f"dataset=ufo: '{tmp_path}' holds no annotation file\n"
        "  looked for: ufo/train.json, train.json, annotations/train.json, ufo/annotation.json,"
        " annotation.json\n"
        "  set its path: dataset.train_file=…"
    )


def test_shares_that_leave_nothing() -> None:
    assert len(list(UfoConfig(root=Path("x"), val_share=0.6, test_share=0.4).validate())) == 1
    assert list(UfoConfig(root=Path("x")).validate()) == []


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_words_count_if_none_of_the_dataset_has_a_transcription(tmp_path: Path, empty: str | None) -> None:
    blank = image({"a": word(transcription=empty), "b": word(transcription=empty, illegibility=True)})
    make(tmp_path, "annotation.json", {"a.png": blank, "b.png": blank})
    dataset, context = open_ufo(tmp_path, val_share=0)
    assert [dataset.train.labels(n).ignore for n in (0, 1)] == [[False, True]] * 2
    assert context.data_report.notes[0].startswith(
        "no label of dataset=ufo has a transcription, so its 2 labels"
    )
    assert dataset.train.label_counts() == {"": 2, "it is illegible": 2}
    dataset, _ = open_ufo(tmp_path, val_share=0, ignore_untranscribed=True)
    assert dataset.train.label_counts() == {"no transcription": 2, "it is illegible": 2}


def test_corners_in_another_order_are_put_in_order_on_request(tmp_path: Path) -> None:
    z_order = [QUAD[0], QUAD[1], QUAD[3], QUAD[2]]
    make(tmp_path, "annotation.json", {"a.png": image({"a": word(z_order)})})
    for order in (False, True):
        dataset, context = open_ufo(tmp_path, val_share=0, order_corners=order)
        assert dataset.train.labels(0).ignore == [not order]
        assert context.data_report.crossed_corners == 1
    assert dataset.train.labels(0).polygons[0].tolist() == QUAD

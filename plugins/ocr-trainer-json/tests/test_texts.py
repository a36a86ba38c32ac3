"""`jsonl` and `mmocr` for recognition: a text per image."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ocr_trainer_json.jsonl import JsonLines
from ocr_trainer_json.mmocr import Mmocr
from ocr_trainer_json.plugin import JsonLinesConfig, MmocrConfig
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.testing import TextDatasetSuite

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
TOY = DATA / "toy_mmocr" / "rec_toy_dataset"
with_data = pytest.mark.skipif(not TOY.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")


def opened(name: str, root: Path, **options: Any) -> tuple[Any, Context]:
    context = Context(task=Task.recognition)
    config = (JsonLinesConfig if name == "jsonl" else MmocrConfig)(
        name=name, root=root, **{"val_share": 0.0} | options
    )
    return (JsonLines if name == "jsonl" else Mmocr)(config, context), context


def rows(path: Path, *values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)) + "\n" for v in values)
    path.write_text(text, encoding="utf-8-sig")


@pytest.mark.parametrize("key", ["image", "filename", "file_name"])
@pytest.mark.parametrize("file", ["train.jsonl", "old_label.jsonl", "metadata.jsonl", "train/metadata.jsonl"])
def test_a_text_per_row(tmp_path: Path, picture: Callable[..., None], key: str, file: str) -> None:
    folder = "train/" if "/" in file else ""
    picture(f"{folder}w 1.png", f"{folder}w 2.png")
    rows(tmp_path / file, {key: "w 1.png", "text": ' "영수증", 5 '}, {"text": 1968, key: "w 2.png"})
    dataset, context = opened("jsonl", tmp_path)
    assert list(dataset.train.texts) == ['"영수증", 5', "1968"]
    assert list(dataset.train.files) == [tmp_path / folder / f"w {n}.png" for n in (1, 2)]
    assert dataset.train[0].text == '"영수증", 5'
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (2, 2, [])


def test_a_row_can_name_its_split_and_be_left_out(tmp_path: Path, picture: Callable[..., None]) -> None:
    picture(*(f"{n}.png" for n in range(4)))
    splits = ["train", "val", "test", "train"]
    entries = [{"image": f"{n}.png", "text": str(n), "split": split} for n, split in enumerate(splits)]
    rows(tmp_path / "labels.jsonl", *entries[:3], entries[3] | {"ignore": True})
    dataset, context = opened("jsonl", tmp_path)
    assert [list(split.texts) for split in (dataset.train, dataset.val, dataset.test)] == [
        ["0"],
        ["1"],
        ["2"],
    ]
    assert context.data_report.skipped == []


def test_bad_rows_are_entered_with_their_line(tmp_path: Path, picture: Callable[..., None]) -> None:
    picture("a.png")
    bad = [
        {"image": "a.png", "text": ""},
        {"image": "a.png", "text": None},
        {"image": "a.png", "words": []},
        {"image": "a.png", "text": ["x"]},
        {"image": "gone.png", "text": "x"},
        {"filename": "a.png", "text": "x"},
        {"image": "a.png", "text": "x", "split": "dev"},
        '{"image": "a.png", "text": }',
        {"image": "a.png", "text": "again"},
    ]
    rows(tmp_path / "train.jsonl", {"image": "a.png", "text": "one"}, *bad)
    dataset, context = opened("jsonl", tmp_path)
    assert list(dataset.train.texts) == ["one"]
    file = tmp_path / "train.jsonl"
    assert [str(entry) for entry in context.data_report.skipped] == [
        f"{file}:2: the text is empty",
        f"{file}:3: the text is empty",
        f'{file}:4: there is no "text", only "words": use a detector, or dataset=crops',
        f"{file}:5: the text is neither text nor null: ['x']",
        f"{file}:6: 'gone.png': there is no such image",
        f'{file}:7: there is no "image", the name of an image',
        f"{file}:8: the split is not one of train, val, test: dev",
        f"{file}:9: not JSON: column 28: Expecting value",
        f"{file}:10: 'a.png': it is already annotated",
    ]


def test_mmocr_has_one_instance_per_image(tmp_path: Path, picture: Callable[..., None]) -> None:
    picture("textrecog_imgs/a.png", "b.png")
    instances = [[{"text": "one"}], [], [{"text": "x"}, {"text": "y"}], [{"text": " "}], ["x"]]
    entries = [{"img_path": "a.png" if not n else "b.png", "instances": i} for n, i in enumerate(instances)]
    (tmp_path / "textrecog_train.json").write_text(json.dumps({"metainfo": {}, "data_list": entries}))
    dataset, context = opened("mmocr", tmp_path)
    assert list(dataset.train.texts) == ["one"]
    assert dataset.train.files[0].name == "a.png"
    assert [entry.reason for entry in context.data_report.skipped] == [
        "b.png: it has 0 instances instead of one with a text",
        "b.png: it has 2 instances instead of one with a text",
        "b.png: the text is empty",
        "b.png: it has 1 instances instead of one with a text",
    ]
    (tmp_path / "textrecog_train.json").write_text('{"images": []}')
    with pytest.raises(DataError, match="is not MMOCR's"):
        _ = opened("mmocr", tmp_path)[0].train


def test_of_several_files_mmocr_opens_that_of_the_task(tmp_path: Path, picture: Callable[..., None]) -> None:
    picture("page.png", "word.png")
    place = {"polygon": [1, 1, 9, 1, 9, 5, 1, 5], "bbox": [1, 1, 9, 5], "ignore": False}
    pages = {"data_list": [{"img_path": "page.png", "instances": [place | {"text": "x"}]}]}
    instances = [{"text": "one"}, {"text": "", "ignore": True}]
    words = {"data_list": [{"img_path": "word.png", "instances": [one]} for one in instances]}
    for task, content in [("textdet", pages), ("textspotting", pages), ("textrecog", words)]:
        (tmp_path / f"{task}_train.json").write_text(json.dumps(content))
    dataset, context = opened("mmocr", tmp_path)
    assert (list(dataset.train.texts), context.data_report.skipped) == (["one"], [])
    detection = Context(task=Task.detection)
    pages_found = Mmocr(MmocrConfig(name="mmocr", root=tmp_path, val_share=0.0), detection).train
    assert [path.name for path in pages_found.files] == ["page.png"]
    dataset, context = opened("mmocr", tmp_path, train_file=Path("textspotting_train.json"))
    assert len(dataset.train) == 0
    assert [entry.reason for entry in context.data_report.skipped] == [
        "page.png: it is a page with positions of texts: use a detector, or dataset=crops"
    ]


def test_the_first_row_tells_where_names_stand(tmp_path: Path, picture: Callable[..., None]) -> None:
    picture("a.png", "b.png")
    first = [{"text": "nameless"}, {"filename": "a.png", "text": "one"}]
    rows(tmp_path / "train.jsonl", "[", *first, {"filename": "b.png", "image": "x", "text": "two"})
    dataset, context = opened("jsonl", tmp_path)
    assert list(dataset.train.texts) == ["one", "two"]
    assert [str(entry).partition("jsonl:")[2][0] for entry in context.data_report.skipped] == ["1", "2"]


@with_data
def test_real_files() -> None:
    labels = [row.split(" ", 1) for row in (TOY / "old_label.txt").read_text().splitlines()]
    for name in ("jsonl", "mmocr"):
        dataset, context = opened(name, TOY)
        found = [[f.name, t] for f, t in zip(dataset.train.files, dataset.train.texts, strict=True)]
        assert (found, context.data_report.skipped) == (labels, [])
        assert dataset.train[0].image.ndim == 3


class Texts(TextDatasetSuite):
    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """Ten pictures of noise, and a row for one that is missing."""
        root = tmp_path / "texts"
        root.mkdir()
        noise = np.random.default_rng(0).integers(256, size=(10, 16, 48, 3), dtype=np.uint8)
        for number, pixels in enumerate(noise):
            Pillow.fromarray(pixels).save(root / f"{number}.png")
        texts = {f"{number}.png": f"영수증 {number}" for number in range(11)}
        rows(root / "train.jsonl", *({"image": name, "text": text} for name, text in texts.items()))
        entries = [{"img_path": name, "instances": [{"text": text}]} for name, text in texts.items()]
        (root / "textrecog_train.json").write_text(json.dumps({"data_list": entries}))
        self.overrides = ["model=crnn", f"dataset.root='{root}'", "dataset.test_share=0.2"]


class TestJsonLinesOfTexts(Texts):
    name = "jsonl"


class TestMmocrOfTexts(Texts):
    name = "mmocr"


del Texts, TextDatasetSuite

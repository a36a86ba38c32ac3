"""Datasets whose annotations stand in one file, in a format of one word per image: `name split`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import ListedConfig


class Rows(ListedDataset):
    file_names = ("{split}.rows", "more/{split}*.rows")
    whole_names = ("all.rows",)

    def read(self, file: Path) -> Iterator[Annotated]:
        for row in file.read_text().splitlines():
            name, _, split = row.partition(" ")
            self._data_report.read(images=1)
            yield Annotated(name, Labels(), split or None)


class Tails(Rows):
    def names(self, name: str) -> Iterable[str]:
        return path_suffixes(name)


def make(root: Path, file: str, *rows: str, folder: str = "images") -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("\n".join(rows))
    for row in rows:
        image = root / folder / row.split()[0]
        image.parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (4, 4)).save(image)


def open_rows(
    root: Path, dataset: type[ListedDataset] = Rows, **options: Any
) -> tuple[ListedDataset, Context]:
    context = Context(task=Task.detection)
    return dataset(ListedConfig(name="rows", root=root, **options), context), context


def names(dataset: ListedDataset) -> list[list[str] | None]:
    splits = (dataset.train, dataset.val, dataset.test)
    return [None if split is None else [path.name for path in split.files] for split in splits]


def test_one_file_may_say_who_is_in_which_split(tmp_path: Path) -> None:
    make(tmp_path, "all.rows", "1.png train", "2.png test", "3.png val", "4.png", "5.png test")
    dataset, _ = open_rows(tmp_path, val_share=0.5)
    assert names(dataset) == [["1.png", "4.png"], ["3.png"], ["2.png", "5.png"]]


def test_a_split_that_the_file_does_not_have_is_a_share(tmp_path: Path) -> None:
    make(tmp_path, "all.rows", *(f"{n}.png train" for n in range(20)), "20.png test")
    dataset, _ = open_rows(tmp_path, val_share=0.3)
    train, val, test = names(dataset)
    assert test == ["20.png"]
    assert sorted([*train, *val]) == sorted(f"{n}.png" for n in range(20))
    assert val


def test_a_file_per_split_counts_more_than_what_it_says(tmp_path: Path) -> None:
    make(tmp_path, "train.rows", "1.png val", "2.png test", folder="train")
    make(tmp_path, "more/val_v2.rows", "3.png train", folder="val")
    dataset, _ = open_rows(tmp_path)
    assert names(dataset) == [["1.png", "2.png"], ["3.png"], None]
    assert dataset.val.files[0] == tmp_path / "val" / "3.png"


def test_a_file_given_for_one_split_is_not_found_for_another(tmp_path: Path) -> None:
    make(tmp_path, "test.rows", "1.png", "2.png")
    assert names(open_rows(tmp_path)[0]) == [None, None, ["1.png", "2.png"]]
    assert names(open_rows(tmp_path, train_file=Path("test.rows"), val_share=0)[0]) == [
        ["1.png", "2.png"],
        None,
        None,
    ]


def test_a_choice_is_the_users(tmp_path: Path) -> None:
    make(tmp_path, "more/train_1.rows", "1.png")
    make(tmp_path, "more/train_2.rows", "2.png")
    with pytest.raises(DataError) as caught:
        open_rows(tmp_path)
    assert str(caught.value) == (
        f"dataset=rows: '{tmp_path}' holds 2 files 'more/train*.rows'\n"
        "  found: train_1.rows, train_2.rows\n"
        "  choose one: dataset.train_file=…"
    )
    assert names(open_rows(tmp_path, train_file=Path("more/train_2.rows"), val_share=0)[0]) == [
        ["2.png"],
        None,
        None,
    ]


def test_folders_before_a_name_may_be_too_many(tmp_path: Path) -> None:
    make(tmp_path, "train.rows", "pages/1.png")
    rows = [
        "C:\\data\\pages\\1.png",
        "/data/images/pages/1.png",
        "/data/gone.png",
        "..",
        "a/../../images/1.png",
    ]
    (tmp_path / "train.rows").write_text("\n".join(rows))
    exact, context = open_rows(tmp_path, val_share=0)
    assert (len(exact.train), len(context.data_report.skipped)) == (0, 5)
    dataset, context = open_rows(tmp_path, Tails, val_share=0)
    assert dataset.train.files[:] == [tmp_path / "images" / "pages" / "1.png"]
    assert [(entry.file, entry.reason) for entry in context.data_report.skipped] == [
        ("/data/images/pages/1.png", "it is already annotated"),
        ("/data/gone.png", "there is no such image"),
        (str(tmp_path / "images" / ".."), "the name '..' leads out of the image folder"),
        (
            str(tmp_path / "images" / "a/../../images/1.png"),
            "there is no such image; there is 'images/pages/1.png'",
        ),
    ]
    assert list(path_suffixes("/a//b/c.png")) == ["/a/b/c.png", "a/b/c.png", "b/c.png", "c.png"]

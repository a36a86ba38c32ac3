"""Texts and their images in compact arrays are those that went in."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.formats.listed import Annotated, ListedDataset
from ocr_trainer.formats.texts import TextImages, is_usable
from ocr_trainer.plugin import Context, DataReport, Task
from ocr_trainer.plugin.options import ListedConfig

# A lone surrogate is what JSON may hold.
PAIRS = st.lists(st.tuples(st.text(st.characters(codec=None), max_size=8), st.text(max_size=8)), max_size=6)


@given(PAIRS, st.data())
def test_what_is_packed_comes_out_again(pairs: list[tuple[str, str]], data: st.DataObject):
    split = TextImages((f"folder/{name}", text) for name, text in pairs)
    assert list(split.files.names()) == [f"folder/{name}" for name, _ in pairs]
    assert list(split.texts) == [text for _, text in pairs]
    assert len(split) == len(split.texts) == len(split.files) == len(pairs)
    places = data.draw(st.lists(st.sampled_from(range(len(pairs))))) if pairs else []
    some = pickle.loads(pickle.dumps(split.subset(places).subset(range(len(places))[::-1])))
    assert list(some.texts) == [pairs[place][1] for place in reversed(places)]
    assert [some.texts[n] for n in range(len(some))] == some.texts[:] == list(some.texts)


def test_an_image_is_decoded_when_asked_for(tmp_path: Path):
    Pillow.new("RGB", (20, 10), (1, 2, 3)).save(tmp_path / "a b.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    split = TextImages(
        [(tmp_path / "a b.png", "영수증"), (tmp_path / "bad.png", "x"), (tmp_path / "gone.png", "y")]
    )
    sample = split[0]
    assert (sample.text, sample.source, sample.skipped) == ("영수증", str(tmp_path / "a b.png"), [])
    assert (sample.image.shape, sample.image[0, 0].tolist()) == ((10, 20, 3), [1, 2, 3])
    with pytest.raises(DataError, match=r"cannot read the image '.*bad\.png': it is not JPEG"):
        split[1]
    with pytest.raises(DataError, match=r"cannot read the image '.*gone\.png': No such file"):
        split[2]
    with pytest.raises(IndexError):
        split[3]
    assert split.subset([2, 0]).files[:] == [tmp_path / "gone.png", tmp_path / "a b.png"]


def test_a_text_costs_tens_of_bytes():
    names = [f"words/{n}.png" for n in range(20_000)]
    split = TextImages((name, "receipt") for name in names)
    assert len(pickle.dumps(split)) < sum(map(len, names)) + 20_000 * (7 + 16) + 1000


@pytest.mark.parametrize(("text", "usable"), [("a", True), (" a ", True), ("", False), (" \u3000\t", False)])
def test_an_empty_text_is_entered(text: str, usable: bool):
    data_report = DataReport()
    assert is_usable(text, data_report, Path("gt.txt"), 3) is usable
    assert [str(entry) for entry in data_report.skipped] == [] if usable else ["gt.txt:3: the text is empty"]


class Rows(ListedDataset):
    file_names = ("{split}.rows",)
    image_folders = (".",)

    def read(self, file: Path) -> Iterator[Annotated]:
        for line, row in enumerate(file.read_text().splitlines(), start=1):
            self._data_report.read(images=1, labels=1)
            yield Annotated(*row.split(" "), None, line)


def open_rows(root: Path, **options: Any) -> tuple[Rows, Context]:
    context = Context(task=Task.recognition)
    return Rows(ListedConfig(name="rows", root=root, **options), context), context


def test_a_list_of_texts(tmp_path: Path):
    for number in range(10):
        Pillow.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
    rows = [f"{'./' * (number % 2)}{number}.png t{number}" for number in range(10)]
    (tmp_path / "train.rows").write_text(
        "\n".join([*rows, "0.png again", "../0.png out", "gone.png x", ".//1.png y"])
    )
    dataset, context = open_rows(tmp_path, val_share=0.3)
    both = [*dataset.train.files, *dataset.val.files]
    assert {
        file: text
        for split in (dataset.train, dataset.val)
        for file, text in zip(split.files, split.texts, strict=True)
    } == {tmp_path / f"{number}.png": f"t{number}" for number in range(10)}
    assert len(both) == 10
    assert len(dataset.val) > 0
    file = tmp_path / "train.rows"
    assert [str(entry) for entry in context.data_report.skipped] == [
        f"{file}:11: '0.png': it is already annotated",
        f"{file}:12: '../0.png': the name '../0.png' leads out of the image folder",
        f"{file}:13: 'gone.png': there is no such image",
        f"{file}:14: './/1.png': it is already annotated",
    ]


def test_the_share_does_not_depend_on_where_the_set_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(20):
        Pillow.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
    (tmp_path / "train.rows").write_text("\n".join(f"{number}.png t{number}" for number in range(20)))
    monkeypatch.chdir(tmp_path)
    drawn = [list(open_rows(root, val_share=0.3)[0].val.texts) for root in (tmp_path, Path())]
    assert drawn[0] == drawn[1]

"""`lines`: images with a text beside each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ocr_trainer_words.lines import Lines
from ocr_trainer_words.plugin import LinesConfig
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")


def opened(root: Path, **options: Any) -> tuple[Lines, Context]:
    context = Context(task=Task.recognition)
    return Lines(LinesConfig(name="lines", root=root, **{"val_share": 0.0} | options), context), context


def make(root: Path, image: str, text: str, content: str | bytes) -> None:
    for path in (root / image, root / text):
        path.parent.mkdir(parents=True, exist_ok=True)
    if image:
        Pillow.new("L", (20, 10)).save(root / image)
    if text:
        (root / text).write_bytes(content if isinstance(content, bytes) else content.encode())


def read(split: Any, root: Path) -> dict[str, str]:
    return {f.relative_to(root).as_posix(): t for f, t in zip(split.files, split.texts, strict=True)}


@pytest.mark.parametrize(
    "image", ["a.png", "a.nrm.png", "a.bin.png", "a.tif", "p.1/a.dew.png", "a.b c.x.jpg"]
)
@pytest.mark.parametrize("suffix", [".gt.txt", ".txt"])
def test_an_image_and_its_text(tmp_path: Path, image: str, suffix: str) -> None:
    stem = "a.b c" if " " in image else image.partition("a.")[0] + "a"
    make(tmp_path, image, f"{stem}{suffix}", "\ufeffcafé, „x“\r\n\n")
    dataset, context = opened(tmp_path)
    assert read(dataset.train, tmp_path) == {image: "café, „x“"}
    assert dataset.train[0].image.shape == (10, 20, 3)
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (1, 1, [])


def test_what_has_no_partner_or_no_single_row_is_entered(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "1.gt.txt", "one\r\n")
    make(tmp_path, "1.bin.png", "1.txt", "what a program read")
    make(tmp_path, "2.png", "2.gt.txt", "two\n\nrows\n")
    make(tmp_path, "3.png", "3.gt.txt", " \n")
    make(tmp_path, "4.png", "4.gt.txt", b"caf\xe9")
    make(tmp_path, "5.png", "5.gt.txt", b"\xff\xfeo\x00")
    make(tmp_path, "6.png", "7.gt.txt", "seven")
    make(tmp_path, "8.png", "8.pred.txt", "what a program read")
    dataset, context = opened(tmp_path)
    assert read(dataset.train, tmp_path) == {"1.png": "one"}
    entries = {str(entry).removeprefix(f"{tmp_path}/") for entry in context.data_report.skipped}
    assert entries == {
        "1.bin.png: its text serves '1.png'",
        "2.gt.txt:3: 2 rows are no text of a line",
        "3.gt.txt: the text is empty",
        "4.gt.txt:1: not UTF-8: byte 0xe9",
        f"5.png: '{tmp_path}/5.gt.txt' is UTF-16 text; save it as UTF-8",
        "6.png: there is no text beside it (.gt.txt)",
        "7.gt.txt: there is no image beside it",
        "8.png: there is no text beside it (.gt.txt)",
    }
    assert (context.data_report.images, context.data_report.labels) == (9, 4)


def test_one_image_of_several_can_be_chosen(tmp_path: Path) -> None:
    for suffix in (".png", ".bin.png", ".nrm.png"):
        make(tmp_path, f"0001{suffix}", "0001.gt.txt", "x")
    assert read(opened(tmp_path, image_suffix=".bin.png")[0].train, tmp_path) == {"0001.bin.png": "x"}
    (tmp_path / "0001.png").unlink()
    assert read(opened(tmp_path)[0].train, tmp_path) == {"0001.nrm.png": "x"}


def test_splits_are_folders_lists_or_shares(tmp_path: Path) -> None:
    for number in range(9):
        make(tmp_path, f"book/{number}.png", f"book/{number}.gt.txt", str(number))
    dataset, _ = opened(tmp_path, val_share=0.3)
    train, val = read(dataset.train, tmp_path), read(dataset.val, tmp_path)
    assert len(train | val) == 9
    assert train
    assert val
    assert dataset.test is None
    (tmp_path / "val.txt").write_text("book/0.png\n3.gt.txt\n3\n99\n")
    (tmp_path / "test.txt").write_text("8\n")
    dataset, context = opened(tmp_path)
    assert read(dataset.val, tmp_path) == {"book/0.png": "0", "book/3.png": "3"}
    assert read(dataset.test, tmp_path) == {"book/8.png": "8"}
    assert len(dataset.train) == 6
    assert [str(entry) for entry in context.data_report.skipped] == [
        f"{tmp_path}/val.txt:3: '3' is listed before",
        f"{tmp_path}/val.txt:4: '99' there is no such line",
    ]
    make(tmp_path, "train/a.png", "train/a.txt", "a")
    make(tmp_path, "val/b.png", "val/b.txt", "b")
    (tmp_path / "val.txt").unlink()
    (tmp_path / "test.txt").unlink()
    dataset, _ = opened(tmp_path)
    assert (list(dataset.train.texts), list(dataset.val.texts), dataset.test) == (["a"], ["b"], None)


def test_folders_tell_lines_of_one_name_apart(tmp_path: Path) -> None:
    for page in ("p1", "p2"):
        for number in ("0001", "0002"):
            make(tmp_path, f"{page}/{number}.png", f"{page}/{number}.gt.txt", page + number)
    (tmp_path / "train.txt").write_text("/data/gt/p1/0001.png\n/data/gt/p1/0002.png\ngt\\p2\\0001.png\n")
    (tmp_path / "val.txt").write_text("/data/gt/p2/0002.png\n/data/p3/0001.png\n")
    dataset, context = opened(tmp_path)
    assert list(dataset.train.texts) == ["p10001", "p10002", "p20001"]
    assert list(dataset.val.texts) == ["p20002"]
    assert [str(entry) for entry in context.data_report.skipped] == [
        f"{tmp_path}/val.txt:2: '/data/p3/0001.png' may be any of 2 lines: 'p1/0001', 'p2/0001'"
    ]


def test_a_folder_without_lines_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "", "")
    with pytest.raises(DataError, match="holds no line, an image with its text beside it"):
        _ = opened(tmp_path)[0].train
    make(tmp_path, "", "a.gt.txt", "x")
    with pytest.raises(DataError, match=r"there is no list file '.*val\.lst'"):
        _ = opened(tmp_path, val_list=Path("val.lst"))[0].train


@with_data
def test_real_lines() -> None:
    folder = DATA / "lines_ocrd_fraktur"
    dataset, context = opened(folder)
    expected = {
        p.name.removesuffix(".gt.txt"): p.read_text("utf-8").rstrip("\n") for p in folder.glob("*.gt.txt")
    }
    assert {
        file.stem: t for file, t in zip(dataset.train.files, dataset.train.texts, strict=True)
    } == expected
    assert (len(expected), context.data_report.skipped) == (255, [])
    for index in (0, 254):
        with Pillow.open(dataset.train.files[index]) as image:
            assert dataset.train[index].image.shape == (image.height, image.width, 3)
    folder = DATA / "page_alto_fixtures" / "kraken" / "merge_tests"
    dataset, context = opened(folder)
    assert [path.name for path in dataset.train.files] == ["0006.jpg", "0007.jpg", "0008.jpg", "0021.jpg"]
    assert [Path(entry.file).name for entry in context.data_report.skipped] == ["0014.jpg"]

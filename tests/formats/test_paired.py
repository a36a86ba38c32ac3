"""Images and their annotation files: every layout, who belongs to whom, and what goes wrong."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image as Pillow

from ocr_trainer.data.types import Sample
from ocr_trainer.errors import DataError
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.formats.rows import Row, RowDataset, parse_corners
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

ROW = "1,1,9,1,9,5,1,5,word\n"


class Corners(RowDataset):
    prefixes = ("gt_", "")
    suffixes = (".csv", ".txt")
    folders: ClassVar = {"train": [("set/a", "set/b")], "test": [("official", "truth")]}
    usual: ClassVar = [("images", "gt"), ("img", "box")]

    def parse(self, row: str) -> Row:
        return parse_corners(row)


def opened(root: Path, **options) -> tuple[Corners, Context]:
    context = Context(task=Task.detection)
    return Corners(PairedConfig(name="corners", root=root, **options), context), context


def entries(context: Context, root: Path) -> list[str]:
    return [str(entry).replace(f"{root}/", "") for entry in context.data_report.skipped]


def stems(split: LabeledImages | None) -> list[str] | None:
    return None if split is None else [path.stem for path in split.files]


def make(
    root: Path, names: list[str], images: str = "images", rows: str = "gt", row_name: str = "gt_{}.txt"
) -> None:
    for folder in (images, rows):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        Pillow.new("RGB", (20, 10), (200, 40, 10)).save(root / images / name)
        (root / rows / row_name.format(Path(name).stem)).write_text(ROW, encoding="utf-8")


def test_names_suffixes_and_labels(tmp_path: Path) -> None:
    make(
        tmp_path, ["a b.JPG", "c,d.jpeg", "e&f.PNG", "gt.bmp", "영수증.webp", "x.tif", "y.TIFF", "img.v2.png"]
    )
    dataset, context = opened(tmp_path, val_share=0)
    assert len(dataset.train) == 8
    assert (dataset.val, dataset.test, context.data_report.skipped) == (None, None, [])
    for sample in dataset.train:
        assert isinstance(sample, Sample)
        assert sample.image.shape == (10, 20, 3)
        assert sample.texts == ["word"]


def test_what_has_no_partner_is_entered_and_a_text_free_image_is_kept(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png", "c.png", "d.png", "e.png", "e.jpg"])
    (tmp_path / "gt" / "gt_a.txt").unlink()
    (tmp_path / "images" / "b.png").unlink()
    (tmp_path / "gt" / "gt_c.txt").write_bytes(b"")
    (tmp_path / "gt" / "gt_d.txt").write_bytes(ROW.encode("utf-16"))
    dataset, context = opened(tmp_path, val_share=0)
    assert [path.name for path in dataset.train.files] == ["c.png", "e.jpg"]
    assert dataset.train[0].polygons == []
    assert sorted(entries(context, tmp_path)) == [
        "gt/gt_b.txt: no image for this annotation in 'images'",
        "images/a.png: no annotation file for it in 'gt'",
        "images/d.png: 'gt/gt_d.txt' is UTF-16 text; save it as UTF-8",
        "images/e.png: its annotation already belongs to 'e.jpg'",
    ]
    assert context.data_report.images == 6


def test_nothing_is_read_before_a_split_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path / "train", ["a.png"])
    make(tmp_path / "test", ["b.png"])
    dataset, context = opened(tmp_path, val_share=0)
    assert context.data_report.images == 0
    assert dataset.train is dataset.train
    assert (context.data_report.images, context.data_report.labels) == (1, 1)
    assert len(dataset.test) == 1
    assert context.data_report.images == 2


@pytest.mark.parametrize(
    ("images", "rows", "row_name"),
    [
        ("img", "box", "{}.csv"),
        ("images", "gt", "{}.TXT"),
        (".", ".", "{}.txt"),
        ("images", "gt", "{}.png.txt"),
        ("images", "gt", "gt_{}.png.txt"),
        ("set/a", "set/b", "gt_{}.txt"),
        ("images/train", "gt/train", "{}.txt"),
        ("train/images", "train/gt", "{}.txt"),
        ("train", "train", "{}.txt"),
    ],
)
def test_layouts(tmp_path: Path, images: str, rows: str, row_name: str) -> None:
    make(tmp_path, ["X0 (1).png", "X1.png", "X2.png"], images, rows, row_name)
    (tmp_path / "val.txt").write_text("X1\n", encoding="utf-8")
    dataset, context = opened(tmp_path)
    assert (stems(dataset.train), stems(dataset.val)) == (["X0 (1)", "X2"], ["X1"])
    assert context.data_report.skipped == []


SEPARATE = [("official", "truth"), ("gt/test", "gt/test"), ("more", "more")]


@pytest.mark.parametrize("train", [("images", "gt"), ("train", "train"), ("set/a", "set/b")])
@pytest.mark.parametrize("test", SEPARATE)
def test_each_split_is_looked_for_by_itself(
    tmp_path: Path, train: tuple[str, str], test: tuple[str, str]
) -> None:
    make(tmp_path, ["a.png", "b.png"], *train)
    make(tmp_path, ["a.png"], *test)
    given = {"test_images": Path(test[0]), "test_annotations": Path(test[1])}
    dataset, context = opened(tmp_path, val_share=0, **({} if test == SEPARATE[0] else given))
    assert (stems(dataset.train), stems(dataset.test)) == (["a", "b"], ["a"])
    assert context.data_report.skipped == []


def test_folders_and_lists_that_the_options_name(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png", "c.png"], "pictures", "labels", "{}.csv")
    (tmp_path / "mine.lst").write_text("c.png\nz\na\na\n", encoding="utf-8")
    options = {"images": Path("pictures"), "annotations": Path("labels"), "train_list": Path("mine.lst")}
    dataset, context = opened(tmp_path, **options, val_share=0)
    assert stems(dataset.train) == ["c", "a"]
    assert entries(context, tmp_path) == [
        "mine.lst:2: 'z' there is no such image",
        "mine.lst:4: 'a' is already listed",
    ]
    with pytest.raises(DataError, match="there is no list file"):
        opened(tmp_path, **options | {"val_list": Path("gone.txt")})[0].train  # noqa: B018
    with pytest.raises(DataError, match=r"dataset=corners: there is no folder '.*gone'"):
        opened(tmp_path, **options | {"images": Path("gone")})


def test_shares_do_not_leak_and_depend_on_names_alone(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(60)]
    make(tmp_path / "one", names)
    make(tmp_path / "two", names[::-1])
    homes = []
    for root in ("one", "two"):
        dataset, _ = opened(tmp_path / root, val_share=0.2, test_share=0.2)
        homes.append([stems(dataset.train), stems(dataset.val), stems(dataset.test)])
    assert homes[0] == homes[1]
    together = [stem for split in homes[0] for stem in split]
    assert sorted(together) == sorted(Path(name).stem for name in names)
    assert all(homes[0])
    other, _ = opened(tmp_path / "one", val_share=0.2, test_share=0.2, split_seed=1)
    assert stems(other.val) != homes[0][1]


def test_an_image_in_two_lists_is_refused(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png"])
    (tmp_path / "train.txt").write_text("a\nb\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("images/b.png\n", encoding="utf-8")
    dataset, _ = opened(tmp_path)
    with pytest.raises(DataError, match=r"train\.txt' and '.*test\.txt' share 1 images"):
        dataset.train  # noqa: B018


def test_empty_folders_give_an_empty_split(tmp_path: Path) -> None:
    make(tmp_path, [])
    dataset, _ = opened(tmp_path)
    assert len(dataset.train) == 0


def test_a_broken_image_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"])
    (tmp_path / "images" / "a.png").write_bytes(b"")
    dataset, _ = opened(tmp_path, val_share=0)
    with pytest.raises(DataError, match=r"a\.png': the file is empty"):
        dataset.train[0]


def test_a_split_travels_to_workers(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"])
    dataset, _ = opened(tmp_path, val_share=0)
    copy = pickle.loads(pickle.dumps(dataset.train))
    assert copy[0].polygons[0].tolist() == [[1, 1], [9, 1], [9, 5], [1, 5]]


def test_a_missing_root_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path / "gone")
    assert str(caught.value) == (
        f"dataset=corners: there is no folder '{tmp_path / 'gone'}'\n  set its path: dataset.root=/path/to/it"
    )


def test_an_unknown_layout_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "notes.md").touch()
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        f"dataset=corners: '{tmp_path}' holds no images with annotations\n"
        "  looked for: set/a/ with set/b/; official/ with truth/; images/ with gt/; img/ with box/\n"
        "  found: notes.md, pictures/\n"
        "  set their paths: dataset.images=… dataset.annotations=…"
    )


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path / "set", ["a.png"])
    assert len(opened(Path("~/set"), val_share=0)[0].train) == 1


def test_options_that_contradict_each_other() -> None:
    root = Path("x")
    assert list(PairedConfig(root=root).validate()) == []
    assert len(list(PairedConfig(root=root, val_share=0.5, test_share=0.5).validate())) == 1
    assert len(list(PairedConfig(root=root, images=Path("i")).validate())) == 1
    assert len(list(PairedConfig(root=root, test_images=Path("i"), images=Path("i")).validate())) == 2


def test_images_and_annotations_in_mirrored_subfolders(tmp_path: Path) -> None:
    for year in ("2023", "2024/may"):
        make(tmp_path, ["a.png", "b.png"], f"images/{year}", f"gt/{year}")
    Pillow.new("RGB", (20, 10)).save(tmp_path / "images" / "2023" / "thumb.png")
    (tmp_path / "gt" / "2023" / "gt_gone.txt").write_text(ROW)
    dataset, context = opened(tmp_path, val_share=0)
    assert [str(path.relative_to(tmp_path)) for path in dataset.train.files] == [
        *("images/2023/a.png", "images/2023/b.png", "images/2024/may/a.png", "images/2024/may/b.png")
    ]
    assert (entries(context, tmp_path), context.data_report.images) == ([], 4)
    annotations, images = context.data_report.notes
    assert images.startswith("1 images in subfolders of")
    assert images.endswith("such as '2023/thumb.png'")
    assert annotations.startswith("1 annotation files in subfolders of")


def test_lists_may_name_images_in_subfolders(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png"], "images/2023", "gt/2023")
    make(tmp_path, ["a.png"], "images/2024", "gt/2024")
    (tmp_path / "train.txt").write_text("2023/a.png\nimages/2024/a\n")
    (tmp_path / "val.txt").write_text("2023\\b.png\n2022/b.png\n")
    dataset, context = opened(tmp_path)
    homes = [[f"{p.parent.name}/{p.stem}" for p in split.files] for split in (dataset.train, dataset.val)]
    assert homes == [["2023/a", "2024/a"], ["2023/b"]]
    assert entries(context, tmp_path) == ["val.txt:2: '2022/b.png' there is no such image; there is '2023/b'"]


def test_images_beside_their_annotations_in_subfolders_only(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"], "x", "x")
    make(tmp_path, ["a.png"], "y/z", "y/z")
    dataset, context = opened(tmp_path, val_share=0)
    assert [str(path.relative_to(tmp_path)) for path in dataset.train.files] == ["x/a.png", "y/z/a.png"]
    assert (entries(context, tmp_path), context.data_report.notes) == ([], [])


def test_subfolders_of_a_flat_folder_are_hinted_at(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"], ".", ".")
    make(tmp_path, ["b.png"], "predictions", "predictions")
    dataset, context = opened(tmp_path, val_share=0)
    assert (stems(dataset.train), entries(context, tmp_path)) == (["a"], [])
    assert context.data_report.notes == [f"1 images in subfolders of '{tmp_path}' are not read"]


def test_folders_of_splits_are_no_subfolders(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"])
    make(tmp_path, ["b.png"], "images/test", "gt/test")
    dataset, _ = opened(tmp_path, val_share=0)
    assert (stems(dataset.train), stems(dataset.test)) == (["a"], ["b"])


def test_a_folder_too_high_is_hinted_at(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"], "receipts/images", "receipts/gt")
    with pytest.raises(DataError, match=r"there are some in 'receipts': dataset\.root="):
        opened(tmp_path)


def test_content_decides_what_is_an_image_and_other_files_are_counted(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png"])
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "a.jfif")
    (tmp_path / "images" / "b.png").rename(tmp_path / "images" / "b")
    for name in ("Thumbs.db", "readme.MD", "c.pdf", "d.pdf"):
        (tmp_path / "images" / name).write_bytes(b"not an image")
    (tmp_path / "gt" / "classes.txt").write_text("receipt\nlogo\n")
    dataset, context = opened(tmp_path, val_share=0)
    assert (stems(dataset.train), entries(context, tmp_path)) == (["a", "b"], [])
    assert context.data_report.notes == [
        f"other files in '{tmp_path / folder}', not read: {counts}"
        for folder, counts in (("images", "2 .pdf, 1 .db, 1 .md"), ("gt", "1 .txt"))
    ]


def test_a_share_is_drawn_from_images_with_annotations(tmp_path: Path) -> None:
    make(tmp_path, [f"{number}.png" for number in range(8)])
    for number in range(200):
        Pillow.new("RGB", (20, 10)).save(tmp_path / "images" / f"bare{number}.png")
    dataset, context = opened(tmp_path, val_share=0.01)
    assert (len(dataset.train), len(dataset.val)) == (7, 1)
    assert sum("no annotation file" in entry for entry in entries(context, tmp_path)) == 200

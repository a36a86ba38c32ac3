"""Whole datasets: the real ones, every layout, and what goes wrong."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from ocr_trainer_icdar.dataset import Icdar2015, RowDataset, Sroie
from ocr_trainer_icdar.plugin import Icdar2015Config, SroieConfig, icdar2015, sroie
from ocr_trainer_icdar.rows import read_labels
from PIL import Image as Pillow
from shapely.geometry import Polygon as Shape

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.training.annotations import LabelledImages
from ocr_trainer.training.samples import Sample

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
RECEIPTS, SCENES = DATA / "receipts_sroie2019", DATA / "scene_icdar2015"
needs_receipts = pytest.mark.skipif(not RECEIPTS.is_dir(), reason=f"no receipts in {RECEIPTS}")
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason=f"no scenes in {SCENES}")
ROW = "1,1,9,1,9,5,1,5,word\n"


def open_icdar(root: Path, **options) -> tuple[Icdar2015, Context]:
    context = Context(task=Task.detection)
    return Icdar2015(Icdar2015Config(name="icdar2015", root=root, **options), context), context


def open_sroie(root: Path, **options) -> tuple[Sroie, Context]:
    context = Context(task=Task.detection)
    return Sroie(SroieConfig(name="sroie", root=root, **options), context), context


def entries(context: Context, root: Path) -> list[str]:
    return [str(entry).replace(f"{root}/", "") for entry in context.ledger.skipped]


def stems(split: LabelledImages | None) -> list[str] | None:
    return None if split is None else [path.stem for path in split.files]


# The real sets


@needs_receipts
def test_all_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, context = open_sroie(RECEIPTS)
    assert (len(dataset.train), len(dataset.val), dataset.test) == (150, 50, None)
    assert (context.ledger.images, context.ledger.labels, context.ledger.skipped) == (200, 10552, [])
    assert stems(dataset.val) == (RECEIPTS / "val.txt").read_text().split()
    index = stems(dataset.train).index("002")
    sample = dataset.train[index]
    rows = (RECEIPTS / "box" / "002.csv").read_text().splitlines()
    assert sample.source == str(RECEIPTS / "img" / "002.jpg")
    assert sample.image.shape == np.asarray(Pillow.open(sample.source).convert("RGB")).shape
    for row, polygon, text, ignored in zip(rows, sample.polygons, sample.texts, sample.ignore, strict=True):
        assert ",".join(str(int(value)) for value in polygon.ravel()) == ",".join(row.split(",")[:8])
        assert row.endswith(f",{text}") or ignored
        assert ignored == (set(row.split(",", 8)[8]) == {"*"})


@needs_receipts
def test_receipts_with_quotes_crlf_and_grey_pixels_are_read_whole() -> None:
    dataset, _ = open_sroie(RECEIPTS)
    odd_quotes = crlf = greys = 0
    for split in (dataset.train, dataset.val):
        for index, file in enumerate(split.files):
            data = (RECEIPTS / "box" / f"{file.stem}.csv").read_bytes()
            crlf += b"\r\n" in data
            odd_quotes += sum(row.count(b'"') % 2 for row in data.splitlines())
            with Pillow.open(file) as image:
                if image.mode == "L":
                    greys += 1
                    pixels = split[index].image
                    assert (pixels == pixels[..., :1]).all()
    assert (crlf, greys) == (33, 1)
    assert odd_quotes > 0


@needs_scenes
def test_all_scenes() -> None:
    dataset, context = open_icdar(SCENES)
    assert (len(dataset.train), len(dataset.val), dataset.test) == (150, 30, None)
    assert (context.ledger.images, context.ledger.labels, context.ledger.skipped) == (180, 1855, [])
    sample = dataset.train[0]
    first = (SCENES / "gt" / "gt_img_1.txt").read_text(encoding="utf-8").splitlines()
    assert sample.image.shape == (720, 1280, 3)
    assert sample.polygons[0].tolist() == [[933, 255], [954, 255], [956, 277], [936, 277]]
    assert sample.ignore.tolist() == [row.endswith(",###") for row in first]
    assert all(Shape(polygon).is_valid for polygon in sample.polygons)


@needs_scenes
def test_official_rows_in_crlf_are_the_same_labels() -> None:
    ledger = Context(task=Task.detection).ledger
    official = sorted((SCENES / "gt_same_images_official_crlf").glob("*.txt"))
    assert len(official) == 12
    for path in official:
        crlf = read_labels(path, Icdar2015.is_ignored, ledger)
        lf = read_labels(SCENES / "gt" / path.name, Icdar2015.is_ignored, ledger)
        assert crlf.texts == lf.texts
        assert crlf.ignore == lf.ignore
        assert np.array_equal(crlf.polygons, lf.polygons)
    assert ledger.skipped == []


@needs_scenes
def test_the_byte_order_mark_of_the_training_set_is_no_coordinate() -> None:
    ledger = Context(task=Task.detection).ledger
    files = sorted((SCENES / "gt_without_images_trainset_with_bom").glob("*.txt"))
    labels = [read_labels(path, Icdar2015.is_ignored, ledger) for path in files]
    assert len(files) == 40
    assert all(path.read_bytes().startswith(b"\xef\xbb\xbf") for path in files)
    assert (ledger.labels, ledger.skipped) == (413, [])
    assert (labels[0].polygons[0][0].tolist(), labels[0].texts[0]) == ([377, 117], "Genaxis Theatre")


@needs_scenes
def test_the_official_layout_with_real_files(tmp_path: Path) -> None:
    names = {"train": "ch4_training", "test": "ch4_test"}
    for split, prefix in names.items():
        rows = (
            "ch4_training_localization_transcription_gt" if split == "train" else "Challenge4_Test_Task1_GT"
        )
        (tmp_path / f"{prefix}_images").mkdir()
        (tmp_path / rows).mkdir()
        # img_1.jpg is another image in either folder, as in the real set
        for number, source in enumerate((1, 2, 3) if split == "train" else (303, 305), start=1):
            shutil.copy(
                SCENES / "images" / f"img_{source}.jpg", tmp_path / f"{prefix}_images" / f"img_{number}.jpg"
            )
            shutil.copy(SCENES / "gt" / f"gt_img_{source}.txt", tmp_path / rows / f"gt_img_{number}.txt")
    dataset, context = open_icdar(tmp_path, val_share=0.3)
    assert stems(dataset.test) == ["img_1", "img_2"]
    assert sorted([*stems(dataset.train), *stems(dataset.val)]) == ["img_1", "img_2", "img_3"]
    assert context.ledger.skipped == []
    assert len(dataset.test[0].polygons) == len(
        (SCENES / "gt" / "gt_img_303.txt").read_text("utf-8").splitlines()
    )


# Made ones


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
    dataset, context = open_icdar(tmp_path, val_share=0)
    assert len(dataset.train) == 8
    assert (dataset.val, dataset.test, context.ledger.skipped) == (None, None, [])
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
    dataset, context = open_icdar(tmp_path, val_share=0)
    assert [path.name for path in dataset.train.files] == ["c.png", "e.jpg"]
    assert dataset.train[0].polygons == []
    assert sorted(entries(context, tmp_path)) == [
        "gt/gt_b.txt: no image for this annotation in 'images'",
        "images/a.png: no annotation file for it in 'gt'",
        "images/d.png: 'gt/gt_d.txt' is UTF-16 text; save it as UTF-8",
        "images/e.png: one annotation cannot serve both it and 'e.jpg'",
    ]
    assert context.ledger.images == 6


def test_nothing_is_read_before_a_split_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path / "train", ["a.png"], "img", "box", "{}.csv")
    make(tmp_path / "test", ["b.png"], "img", "box", "{}.csv")
    dataset, context = open_sroie(tmp_path, val_share=0)
    assert context.ledger.images == 0
    assert dataset.train is dataset.train
    assert (context.ledger.images, context.ledger.labels) == (1, 1)
    assert len(dataset.test) == 1
    assert context.ledger.images == 2


@pytest.mark.parametrize(
    ("images", "rows", "row_name"),
    [("img", "box", "{}.csv"), ("images", "gt", "{}.TXT"), (".", ".", "{}.txt"), ("images", "box", "{}.txt")],
)
def test_receipt_layouts(tmp_path: Path, images: str, rows: str, row_name: str) -> None:
    make(tmp_path, ["X0 (1).jpg", "X1.jpg", "X2.jpg"], images, rows, row_name)
    (tmp_path / "val.txt").write_text("X1\n", encoding="utf-8")
    dataset, context = open_sroie(tmp_path)
    assert (stems(dataset.train), stems(dataset.val)) == (["X0 (1)", "X2"], ["X1"])
    assert context.ledger.skipped == []


def test_folders_per_split_flat_or_not(tmp_path: Path) -> None:
    make(tmp_path / "train", ["a.png", "b.png"], ".", ".", "{}.txt")
    make(tmp_path / "val", ["a.png"], "img", "box", "{}.csv")
    dataset, context = open_sroie(tmp_path)
    assert (stems(dataset.train), stems(dataset.val), dataset.test) == (["a", "b"], ["a"], None)
    assert context.ledger.skipped == []


def test_folders_and_lists_that_the_options_name(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png", "c.png"], "pictures", "labels", "{}.csv")
    (tmp_path / "mine.lst").write_text("c.png\nz\na\na\n", encoding="utf-8")
    options = {"images": Path("pictures"), "annotations": Path("labels"), "train_list": Path("mine.lst")}
    dataset, context = open_sroie(tmp_path, **options, val_share=0)
    assert stems(dataset.train) == ["c", "a"]
    assert entries(context, tmp_path) == [
        "mine.lst:2: 'z' there is no such image",
        "mine.lst:4: 'a' is listed before",
    ]
    with pytest.raises(DataError, match="there is no list file"):
        open_sroie(tmp_path, **options | {"val_list": Path("gone.txt")})[0].train  # noqa: B018
    with pytest.raises(DataError, match=r"dataset=sroie: there is no folder '.*gone'"):
        open_sroie(tmp_path, **options | {"images": Path("gone")})


def test_shares_do_not_leak_and_depend_on_names_alone(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(60)]
    make(tmp_path / "one", names)
    make(tmp_path / "two", names[::-1])
    homes = []
    for root in ("one", "two"):
        dataset, _ = open_icdar(tmp_path / root, val_share=0.2, test_share=0.2)
        homes.append([stems(dataset.train), stems(dataset.val), stems(dataset.test)])
    assert homes[0] == homes[1]
    together = [stem for split in homes[0] for stem in split]
    assert sorted(together) == sorted(Path(name).stem for name in names)
    assert all(homes[0])
    other, _ = open_icdar(tmp_path / "one", val_share=0.2, test_share=0.2, split_seed=1)
    assert stems(other.val) != homes[0][1]


def test_an_image_in_two_lists_is_refused(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png"])
    (tmp_path / "train.txt").write_text("a\nb\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("images/b.png\n", encoding="utf-8")
    dataset, _ = open_icdar(tmp_path)
    with pytest.raises(DataError, match=r"train\.txt' and '.*test\.txt' share 1 images"):
        dataset.train  # noqa: B018


def test_empty_folders_give_an_empty_split(tmp_path: Path) -> None:
    make(tmp_path, [])
    dataset, _ = open_icdar(tmp_path)
    assert len(dataset.train) == 0


def test_a_broken_image_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"])
    (tmp_path / "images" / "a.png").write_bytes(b"")
    dataset, _ = open_icdar(tmp_path, val_share=0)
    with pytest.raises(DataError, match=r"a\.png': the file is empty"):
        dataset.train[0]


def test_a_split_travels_to_workers(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"])
    dataset, _ = open_icdar(tmp_path, val_share=0)
    copy = pickle.loads(pickle.dumps(dataset.train))
    assert copy[0].polygons[0].tolist() == [[1, 1], [9, 1], [9, 5], [1, 5]]


@pytest.mark.parametrize("opener", [open_icdar, open_sroie])
def test_a_missing_root_says_what_to_set(tmp_path: Path, opener) -> None:
    name = "icdar2015" if opener is open_icdar else "sroie"
    with pytest.raises(DataError) as caught:
        opener(tmp_path / "gone")
    assert str(caught.value) == (
        f"dataset={name}: there is no folder '{tmp_path / 'gone'}'\n"
        "  say where the dataset is: dataset.root=/path/to/it"
    )


def test_an_unknown_layout_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "notes.md").touch()
    with pytest.raises(DataError) as caught:
        open_icdar(tmp_path)
    assert str(caught.value) == (
        f"dataset=icdar2015: '{tmp_path}' holds no images and annotations where they are looked for\n"
        "  looked for: ch4_training_images/ with ch4_training_localization_transcription_gt/;"
        " images/ with gt/; ch4_test_images/ with Challenge4_Test_Task1_GT/;"
        " ch4_test_images/ with ch4_test_localization_transcription_gt/\n"
        "  found: notes.md, pictures/\n"
        "  or say where they are: dataset.images=… dataset.annotations=…"
    )
    with pytest.raises(DataError, match=r"dataset=sroie: .* holds no images"):
        open_sroie(tmp_path)


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path / "set", ["a.png"])
    assert len(open_icdar(Path("~/set"), val_share=0)[0].train) == 1


def test_options_that_contradict_each_other() -> None:
    root = Path("x")
    assert list(SroieConfig(root=root).faults()) == []
    assert len(list(SroieConfig(root=root, val_share=0.5, test_share=0.5).faults())) == 1
    assert len(list(SroieConfig(root=root, images=Path("i")).faults())) == 1
    assert len(list(Icdar2015Config(root=root, test_images=Path("i"), images=Path("i")).faults())) == 2


def test_the_descriptions_lead_to_the_factories() -> None:
    import importlib

    for plugin, factory in ((icdar2015, Icdar2015), (sroie, Sroie)):
        module, name = plugin.factory.split(":")
        assert getattr(importlib.import_module(module), name) is factory
        assert issubclass(factory, RowDataset)

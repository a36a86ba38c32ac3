"""The real files, whole: counted by other means, and every oddity they are known for."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ocr_trainer_icdar.dataset import Icdar2013, Icdar2015, Mtwi, Sroie
from PIL import Image as Pillow
from shapely.geometry import Polygon as Shape

from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.formats.rows import RowDataset
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
RECEIPTS, SCENES, WEB = (
    DATA / name for name in ("receipts_sroie2019", "scene_icdar2015", "web_mtwi_chinese")
)
IC13 = DATA / "metric_fixtures" / "cleval" / "gt_IC13.zip"
needs_receipts = pytest.mark.skipif(not RECEIPTS.is_dir(), reason=f"no receipts in {RECEIPTS}")
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason=f"no scenes in {SCENES}")
needs_web = pytest.mark.skipif(not WEB.is_dir(), reason=f"no web images in {WEB}")


def opened(factory: type[RowDataset], root: Path, **options) -> tuple[RowDataset, Context]:
    context = Context(task=Task.detection)
    return factory(PairedConfig(name="real", root=root, **options), context), context


def stems(split: LabeledImages) -> list[str]:
    return [path.stem for path in split.files]


@needs_receipts
def test_all_receipts() -> None:
    dataset, context = opened(Sroie, RECEIPTS)
    assert (len(dataset.train), len(dataset.val), dataset.test) == (150, 50, None)
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (
        200,
        10552,
        [],
    )
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
def test_receipts_with_quotes_crlf_and_gray_pixels_are_read_whole() -> None:
    dataset, _ = opened(Sroie, RECEIPTS)
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
    dataset, context = opened(Icdar2015, SCENES)
    assert (len(dataset.train), len(dataset.val), dataset.test) == (150, 30, None)
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (
        180,
        1855,
        [],
    )
    sample = dataset.train[0]
    first = (SCENES / "gt" / "gt_img_1.txt").read_text(encoding="utf-8").splitlines()
    assert sample.image.shape == (720, 1280, 3)
    assert sample.polygons[0].tolist() == [[933, 255], [954, 255], [956, 277], [936, 277]]
    assert sample.ignore.tolist() == [row.endswith(",###") for row in first]
    assert all(Shape(polygon).is_valid for polygon in sample.polygons)


@needs_scenes
def test_official_rows_in_crlf_are_the_same_labels() -> None:
    dataset, context = opened(Icdar2015, SCENES)
    official = sorted((SCENES / "gt_same_images_official_crlf").glob("*.txt"))
    assert len(official) == 12
    for path in official:
        crlf, lf = dataset.read(path), dataset.read(SCENES / "gt" / path.name)
        assert (crlf.texts, crlf.ignore) == (lf.texts, lf.ignore)
        assert np.array_equal(crlf.polygons, lf.polygons)
    assert context.data_report.skipped == []


@needs_scenes
def test_the_byte_order_mark_of_the_training_set_is_no_coordinate() -> None:
    dataset, context = opened(Icdar2015, SCENES)
    files = sorted((SCENES / "gt_without_images_trainset_with_bom").glob("*.txt"))
    labels = [dataset.read(path) for path in files]
    assert len(files) == 40
    assert all(path.read_bytes().startswith(b"\xef\xbb\xbf") for path in files)
    assert (context.data_report.labels, context.data_report.skipped) == (413, [])
    assert (labels[0].polygons[0][0].tolist(), labels[0].texts[0]) == ([377, 117], "Genaxis Theatre")


@needs_scenes
def test_the_official_layout_with_real_files(tmp_path: Path) -> None:
    folders = {
        "ch4_training_images": ("ch4_training_localization_transcription_gt", (1, 2, 3)),
        "ch4_test_images": ("Challenge4_Test_Task1_GT", (303, 305)),
    }
    for images, (rows, sources) in folders.items():
        (tmp_path / images).mkdir()
        (tmp_path / rows).mkdir()
        # img_1.jpg is another image in either folder, as in the real set
        for number, source in enumerate(sources, start=1):
            shutil.copy(SCENES / "images" / f"img_{source}.jpg", tmp_path / images / f"img_{number}.jpg")
            shutil.copy(SCENES / "gt" / f"gt_img_{source}.txt", tmp_path / rows / f"gt_img_{number}.txt")
    dataset, context = opened(Icdar2015, tmp_path, val_share=0.3)
    assert stems(dataset.test) == ["img_1", "img_2"]
    assert sorted([*stems(dataset.train), *stems(dataset.val)]) == ["img_1", "img_2", "img_3"]
    assert context.data_report.skipped == []
    rows = (SCENES / "gt" / "gt_img_303.txt").read_text("utf-8").splitlines()
    assert len(dataset.test[0].polygons) == len(rows)


@needs_web
def test_all_web_images() -> None:
    dataset, context = opened(Mtwi, WEB, val_share=0)
    rows = [row for path in WEB.glob("img_*.txt") for row in path.read_text("utf-8").splitlines() if row]
    assert (len(dataset.train), len(rows)) == (12, 186)
    samples = list(dataset.train)
    assert (context.data_report.labels, context.data_report.skipped) == (186, [])
    assert [s.skipped for s in samples] == [[]] * 12
    assert sum(s.ignore.sum() for s in samples) == sum(row.endswith(",###") for row in rows) > 0
    first = samples[stems(dataset.train).index("img_1")]
    assert (first.texts[0], first.polygons[0][0].tolist()) == ("薄利汽配", pytest.approx([88.82, 98.33]))
    # some corners lie outside, and stay where they are
    corners = np.concatenate([polygon for sample in samples for polygon in sample.polygons])
    assert corners.min() < 0


@pytest.mark.skipif(not IC13.is_file(), reason=f"no {IC13}")
def test_all_boxes_of_the_icdar2013_test_set(tmp_path: Path) -> None:
    """The rows are real; the pictures stand in for them."""
    images, rows = tmp_path / "Challenge2_Test_Task12_Images", tmp_path / "Challenge2_Test_Task1_GT"
    images.mkdir()
    with zipfile.ZipFile(IC13) as archive:
        archive.extractall(rows)
    for path in rows.iterdir():
        Pillow.new("L", (1, 1)).save(images / f"{path.stem.removeprefix('gt_')}.png")
    dataset, context = opened(Icdar2013, tmp_path)
    test = dataset.test
    assert (dataset.train, len(test), context.data_report.labels) == (None, 233, 1095)
    assert context.data_report.skipped == []
    row = re.compile(r'(\d+), (\d+), (\d+), (\d+), "(.*)"')
    for index, name in enumerate(stems(test)):
        lines = (rows / f"gt_{name}.txt").read_text("utf-8").splitlines()
        labels = test.labels(index)
        for line, polygon, text in zip(lines, labels.polygons, labels.texts, strict=True):
            *sides, written = row.fullmatch(line).groups()
            assert [*polygon.min(axis=0), *polygon.max(axis=0)] == [int(side) for side in sides]
            assert text == written

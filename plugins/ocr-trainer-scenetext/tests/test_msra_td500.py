"""MSRA-TD500: files that follow the description of the dataset; no real file is available.

http://www.iapr-tc11.org/mediawiki/index.php/MSRA_Text_Detection_500_Database_(MSRA-TD500): index, difficult
label, x, y, width, height, and the angle in radians of a box that is rotated about its center.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ocr_trainer_scenetext.msra_td500 import MsraTd500, rotated
from PIL import Image as Pillow
from shapely import affinity
from shapely.geometry import Polygon as Shape
from shapely.geometry import box

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

ROWS = b"0 0 644 263 153 66 -0.1\r\n1 1 100 50 40 20 1.5708\r\n2 0 10 20 30 40 0.0\r\n"


def opened(root: Path, **options) -> tuple[MsraTd500, Context]:
    context = Context(task=Task.detection)
    return MsraTd500(PairedConfig(name="msra_td500", root=root, **options), context), context


def read(folder: Path, data: bytes) -> tuple[Labels, Context]:
    (folder / "IMG_0001.JPG").touch()
    dataset, context = opened(folder)
    (folder / "IMG_0001.gt").write_bytes(data)
    return dataset.read(folder / "IMG_0001.gt"), context


def test_rows(tmp_path: Path) -> None:
    labels, context = read(tmp_path, ROWS)
    assert (labels.ignore, labels.texts) == ([False, True, False], ["", "", ""])
    assert labels.polygons[2].tolist() == [[10, 20], [40, 20], [40, 60], [10, 60]]
    # a quarter turn about (120, 60) makes 40 by 20 upright
    assert np.allclose(labels.polygons[1], [[130, 40], [130, 80], [110, 80], [110, 40]], atol=1e-3)
    # less than nothing: the text climbs to the right
    assert labels.polygons[0][1, 1] < labels.polygons[0][0, 1]
    assert context.data_report.skipped == []


sides = st.floats(1, 999)


@settings(deadline=None)
@given(st.floats(-999, 999), st.floats(-999, 999), sides, sides, st.floats(-4, 4))
def test_boxes_are_turned_as_shapely_and_opencv_turn_them(
    x: float, y: float, width: float, height: float, angle: float
) -> None:
    corners = rotated(x, y, width, height, angle)
    turned = affinity.rotate(box(x, y, x + width, y + height), angle, origin="center", use_radians=True)
    assert Shape(corners).symmetric_difference(turned).area < 1e-6 * width * height
    theirs = cv2.boxPoints(((x + width / 2, y + height / 2), (width, height), math.degrees(angle)))
    distances = np.linalg.norm(np.array(corners)[:, None] - theirs, axis=-1)
    assert distances.min(axis=1).max() < 0.01


def test_the_official_layout(tmp_path: Path) -> None:
    for split, names in (("train", ["IMG_0030", "IMG_0063"]), ("test", ["IMG_0059"])):
        (tmp_path / split).mkdir()
        for name in names:
            Pillow.new("RGB", (800, 400)).save(tmp_path / split / f"{name}.JPG", format="JPEG")
            (tmp_path / split / f"{name}.gt").write_bytes(ROWS)
    dataset, context = opened(tmp_path, val_share=0)
    assert [len(dataset.train), len(dataset.test)] == [2, 1]
    assert [sample.ignore.tolist() for sample in dataset.test] == [[False, True, False]]
    assert context.data_report.skipped == []


def test_bad_rows_are_entered_with_line_and_reason(tmp_path: Path) -> None:
    data = b"0 0 1 2 3 4\n1 0 a 2 3 4 0\n2 0 5 5 0 9 0\n3 0 5 5 9 9 inf\n4 0 -50 5 9 9 0\n5 0 nan 5 9 9 0\n\n"
    labels, context = read(tmp_path, data)
    assert labels.ignore == [True]
    assert [(e.line, e.reason) for e in context.data_report.skipped] == [
        (1, "not index difficult x y width height angle: '0 0 1 2 3 4'"),
        (2, "'a' is not a number"),
        (3, "the outline has no area: kept as don't care"),
        (4, "the angle inf is not a finite number"),
        (5, "it lies outside the image, to the left or above"),
        (6, "the coordinate nan is not a finite number"),
    ]
    assert context.data_report.labels == 6


junk = st.binary(max_size=200) | st.text("0123456789.-+einfa \t\n", max_size=200).map(str.encode)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    junk | st.lists(st.floats(), min_size=7, max_size=7).map(lambda row: " ".join(map(repr, row)).encode())
)
def test_random_bytes_are_read_or_refused_and_every_row_accounted_for(tmp_path: Path, data: bytes) -> None:
    try:
        labels, context = read(tmp_path, data)
    except DataError as fault:
        refusal = str(fault)
        assert "UTF-16" in refusal
        assume(False)
    kept_yet_entered = sum("kept as" in entry.reason for entry in context.data_report.skipped)
    assert (
        context.data_report.labels == len(labels.texts) + len(context.data_report.skipped) - kept_yet_entered
    )


@pytest.mark.parametrize("size", [(0, 0), (1, 0)])
def test_a_file_without_rows_is_an_image_without_text(tmp_path: Path, size: tuple[int, int]) -> None:
    labels, context = read(tmp_path, b"\r\n" * size[0])
    assert (labels.polygons, context.data_report.labels, context.data_report.skipped) == ([], 0, [])

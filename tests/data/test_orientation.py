"""Labels of photographs that are stored turned: read on the pixels that they were drawn on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from ocr_trainer.data.images import read_labeled, stored_size
from ocr_trainer.formats.annotations import Labels, declared
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.plugin.options import ExifOrientation

AUTO, APPLIED, IGNORED = ExifOrientation
SHAPES = {"wide": (24, 40), "square": (32, 32)}
TURNED = range(2, 9)


def marked(shape: tuple[int, int]) -> np.ndarray:
    """A gray page with one dark word near the upper left."""
    page = np.full((*shape, 3), 200, np.uint8)
    cv2.rectangle(page, (4, 3), (15, 8), (0, 0, 0), -1)
    return page


WORD = np.array([[4, 3], [16, 3], [16, 9], [4, 9]], np.float32)
"""The word on the page as it is shown."""


def photo(path: Path, shown: np.ndarray, orientation: int) -> Path:
    """Store an image so that it is shown as it is, by the inverse of the transposition of its orientation."""
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Pillow.Exif()
    exif[0x0112] = undo
    stored = Pillow.fromarray(shown)
    stored.getexif()[0x0112] = undo
    stored = ImageOps.exif_transpose(stored)
    exif[0x0112] = orientation
    stored.save(path, exif=exif, **({"quality": 98} if path.suffix == ".jpg" else {}))
    return path


def darkness(image: np.ndarray) -> float:
    """How much of the word lies where its label is."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [WORD.astype(int)], 1)
    dark = image.min(axis=2) < 100
    return float((dark & (mask > 0)).sum() / dark.sum())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("orientation", [1, *TURNED])
def test_labels_of_the_shown_image_lie_on_its_text(tmp_path: Path, shape: str, suffix: str, orientation: int):
    path = photo(tmp_path / f"x{suffix}", marked(SHAPES[shape]), orientation)
    notes: list[str] = []
    for size in (None, SHAPES[shape]):
        assert darkness(read_labeled(path, size, APPLIED, notes)) == 1
    assert notes == []


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", TURNED)
def test_labels_of_the_stored_pixels_lie_on_their_text(tmp_path: Path, suffix: str, orientation: int):
    path = tmp_path / f"x{suffix}"
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(marked((24, 40))).save(path, exif=exif)
    notes: list[str] = []
    assert darkness(read_labeled(path, None, IGNORED, notes)) == 1
    assert darkness(read_labeled(path, (24, 40), IGNORED, notes)) == 1
    assert notes == []
    assert stored_size(path) == ((24, 40), orientation)


@pytest.mark.parametrize("orientation", range(5, 9))
@pytest.mark.parametrize("wrong", [APPLIED, IGNORED, AUTO])
def test_a_size_that_just_one_of_the_frames_has_decides(
    tmp_path: Path, wrong: ExifOrientation, orientation: int
):
    path = photo(tmp_path / "x.png", marked((24, 40)), orientation)
    notes: list[str] = []
    assert darkness(read_labeled(path, (24, 40), wrong, notes)) == 1
    assert read_labeled(path, (40, 24), wrong, notes).shape[:2] == (40, 24)
    assert notes == []


@pytest.mark.parametrize(("orientation", "shape"), [(3, "wide"), (2, "wide"), (6, "square"), (4, "square")])
def test_where_nothing_tells_the_frame_the_user_is_told_with_the_option(
    tmp_path: Path, orientation: int, shape: str
):
    path = photo(tmp_path / "x.jpg", marked(SHAPES[shape]), orientation)
    sample = LabeledImages([(path, Labels([WORD], ["a"], [False], SHAPES[shape]))])[0]
    (remark,) = sample.skipped
    assert (remark.what, remark.file) == ("remark", str(path))
    assert f"EXIF orientation {orientation}" in remark.reason
    assert remark.reason.endswith("set dataset.exif_orientation=applied")
    labels = Labels([WORD], ["a"], [False], SHAPES[shape], APPLIED)
    sample = LabeledImages([(path, labels)])[0]
    assert sample.skipped == []
    assert darkness(sample.image) == 1


def test_the_file_comes_before_the_option_and_the_option_before_the_format():
    for found, option, usual, expected in (
        (IGNORED, APPLIED, APPLIED, IGNORED),
        (AUTO, IGNORED, APPLIED, IGNORED),
        (AUTO, AUTO, APPLIED, APPLIED),
        (AUTO, AUTO, AUTO, AUTO),
    ):
        assert declared(Labels([WORD], ["a"], [False], exif=found), option, usual) is expected
    assert declared(Labels(), AUTO, AUTO) is IGNORED  # nothing can lie beside the text

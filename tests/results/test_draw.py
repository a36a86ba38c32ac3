"""Drawings of detections and ground truth."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_trainer_runtime.results.draw import DONT_CARE, FOUND, TINT, TRUTH, draw

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECEIPTS = DATA / "receipts_sroie2019"
WHITE = (255, 255, 255)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float32)


def page(height: int = 200, width: int = 300) -> np.ndarray:
    return np.full((height, width, 3), 255, dtype=np.uint8)


def tinted(color: tuple[int, int, int]) -> np.ndarray:
    return np.rint(TINT * np.array(color) + (1 - TINT) * 255)


def test_detections_are_outlined_and_ground_truth_is_filled() -> None:
    blank = page()
    picture = draw(
        blank,
        [box(20, 20, 120, 60)],
        truth=[box(150, 20, 250, 60), box(20, 100, 120, 140)],
        truth_ignore=np.array([False, True]),
    )
    assert picture.shape == blank.shape
    assert picture.dtype == np.uint8
    assert (blank == 255).all()  # the input is not modified
    assert np.abs(picture[20, 70] - np.array(FOUND)).max() <= 30  # lines are anti-aliased
    assert tuple(picture[40, 70]) == WHITE
    assert np.abs(picture[40, 200] - tinted(TRUTH)).max() <= 1
    assert np.abs(picture[120, 70] - tinted(DONT_CARE)).max() <= 1
    assert tuple(picture[180, 280]) == WHITE


def test_detections_and_ground_truth_are_both_visible_where_they_coincide() -> None:
    same = box(20, 20, 120, 60)
    picture = draw(page(), [same], truth=[same, box(100, 20, 200, 60)])
    assert np.abs(picture[20, 70] - np.array(FOUND)).max() <= 30  # lines are anti-aliased
    assert np.abs(picture[40, [70, 110, 150]] - tinted(TRUTH)).max() <= 1


def test_nothing_to_draw() -> None:
    assert np.array_equal(draw(page(), []), page())
    assert np.array_equal(draw(page(), [], np.empty(0), [], np.empty(0, dtype=bool)), page())


def test_a_score_is_drawn_next_to_its_polygon_even_at_the_image_border() -> None:
    for quad in (box(50, 60, 120, 90), box(0, 0, 60, 20), box(280, 190, 299, 199)):
        plain, scored = draw(page(), [quad]), draw(page(), [quad], np.array([0.87]))
        rows, columns = np.nonzero((plain != scored).any(axis=-1))
        assert len(rows) > 20
        assert np.abs(rows - quad[0, 1]).max() < 20
        assert np.abs(columns - quad[0, 0]).max() < 40


def test_line_width_scales_with_the_image() -> None:
    def thickness(side: int) -> int:
        picture = draw(page(side, side), [box(0.2 * side, 0.2 * side, 0.8 * side, 0.8 * side)])
        return int((picture[side // 2, : side // 2] != 255).any(axis=-1).sum())

    assert 1 <= thickness(400) <= 3
    assert thickness(4800) >= 4


def test_max_side_shrinks_the_image_and_the_polygons() -> None:
    picture = draw(page(1000, 2000), [], truth=[box(1000, 0, 2000, 1000)], max_side=200)
    assert picture.shape == (100, 200, 3)
    assert (picture[:, :98] == 255).all()
    assert (picture[:, 102:] != 255).any(axis=-1).all()


def test_the_legend_is_added_below_the_image() -> None:
    truth = [box(20, 20, 120, 60)]
    plain, legend = draw(page(), [], truth=truth), draw(page(), [], truth=truth, legend=True)
    assert np.array_equal(legend[:200], plain)
    assert legend.shape[0] > 200
    colors = {tuple(pixel) for pixel in legend[200:].reshape(-1, 3).tolist()}
    assert TRUTH in colors
    assert FOUND not in colors  # there are no detections


@pytest.mark.skipif(not RECEIPTS.exists(), reason="receipts_sroie2019 is missing (set OCR_TRAINER_DATA)")
def test_the_fill_keeps_the_text_of_a_receipt_readable() -> None:
    name = sorted((RECEIPTS / "img").glob("*.jpg"))[3].stem
    image = np.array(Image.open(RECEIPTS / "img" / f"{name}.jpg").convert("RGB"))
    rows = (RECEIPTS / "box" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    truth = [np.array(row.split(",", 8)[:8], dtype=np.float32).reshape(-1, 2) for row in rows if row]
    picture = draw(image, [], truth=truth)
    for polygon in truth:
        (left, top), (right, bottom) = polygon.min(axis=0).astype(int), polygon.max(axis=0).astype(int)
        inside = np.s_[top + 1 : bottom, left + 1 : right, 0]
        # The fill covers the text and keeps most of its contrast.
        assert (picture[inside] != image[inside]).mean() > 0.5
        assert np.ptp(picture[inside]) > 0.5 * np.ptp(image[inside])

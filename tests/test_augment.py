"""Augmentation: polygons follow the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.schema import AugmentConfig
from ocr_trainer.training.augment import Augmenter, resize, resize_points
from ocr_trainer.training.samples import Sample


def marked(height: int, width: int, points: np.ndarray, radius: int = 6) -> Sample:
    """A black page with a bright disc at each point, and a small quad around it."""
    ys, xs = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3), np.uint8)
    for x, y in points:
        image[(xs - x) ** 2 + (ys - y) ** 2 <= radius**2] = 255
    square = radius * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    quads = [(point + square).astype(np.float32) for point in points]
    return Sample(image, quads, [""] * len(points), np.zeros(len(points)), "made")


def centre_of_light(image: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """The middle of the brightness around a polygon."""
    left, top = np.floor(polygon.min(axis=0)).astype(int) - 2
    right, bottom = np.ceil(polygon.max(axis=0)).astype(int) + 3
    window = image[top:bottom, left:right, 0].astype(float)
    ys, xs = np.mgrid[top:bottom, left:right]
    return np.array([(xs * window).sum(), (ys * window).sum()]) / window.sum()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.4, 2.0),
    rotate=st.floats(0, 180),
    flip=st.sampled_from([0.0, 1.0]),
)
def test_each_mark_lies_where_its_polygon_says(seed: int, scale: float, rotate: float, flip: float):
    points = np.array([[60, 50], [150, 60], [100, 140], [210, 120]], float)
    sample = marked(200, 260, points)
    config = AugmentConfig(crop=384, scale=[scale, scale], rotate=rotate, flip=flip, colour=0.0)
    out = Augmenter(config, lambda height, width: 1.0)(sample, np.random.default_rng(seed))
    assert out.image.shape == (384, 384, 3)
    seen = 0
    for polygon in out.polygons:
        if polygon.min() < 4 or polygon.max() > 379:
            continue
        seen += 1
        np.testing.assert_allclose(centre_of_light(out.image, polygon), polygon.mean(axis=0), atol=0.35)
    assert seen or scale > 1.2


@given(st.integers(20, 400), st.integers(20, 400), st.integers(20, 400), st.integers(20, 400))
@settings(deadline=None, max_examples=50)
def test_resizing_points_undoes_itself(height, width, new_height, new_width):
    points = [np.array([[0, 0], [width - 1, 3], [5, height - 1]], np.float32)]
    fx, fy = new_width / width, new_height / height
    there_and_back = resize_points(resize_points(points, fx, fy), 1 / fx, 1 / fy)
    np.testing.assert_allclose(there_and_back[0], points[0], atol=1e-2)
    assert resize(np.zeros((height, width, 3), np.uint8), new_height, new_width).shape == (
        new_height,
        new_width,
        3,
    )


def test_the_same_seed_gives_the_same_crop_and_another_another():
    sample = marked(300, 300, np.array([[50, 50], [200, 220]], float))
    augment = Augmenter(AugmentConfig(crop=128), lambda height, width: 1.0)
    one, same, other = (augment(sample, np.random.default_rng(seed)).image for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_crops_hold_text_as_often_as_asked():
    sample = marked(3000, 3000, np.array([[2900, 2950]], float))
    rng = np.random.default_rng(0)
    for share in (0.0, 1.0):
        augment = Augmenter(
            AugmentConfig(crop=96, scale=[1, 1], rotate=0, text_share=share), lambda h, w: 1.0
        )
        held = np.mean([len(augment(sample, rng).polygons) for _ in range(40)])
        assert held == pytest.approx(share, abs=0.1)


def test_text_that_is_cut_keeps_its_whole_outline():
    sample = marked(200, 200, np.array([[100, 100]], float), radius=80)
    augment = Augmenter(AugmentConfig(crop=64, scale=[1, 1], rotate=0, text_share=1), lambda h, w: 1.0)
    out = augment(sample, np.random.default_rng(3))
    assert np.ptp(out.polygons[0], axis=0) == pytest.approx([160, 160])


def test_the_original_is_untouched():
    sample = marked(200, 200, np.array([[100, 100]], float))
    before = sample.image.copy(), sample.polygons[0].copy()
    Augmenter(AugmentConfig(crop=64), lambda h, w: 0.5)(sample, np.random.default_rng(0))
    np.testing.assert_array_equal(sample.image, before[0])
    np.testing.assert_array_equal(sample.polygons[0], before[1])

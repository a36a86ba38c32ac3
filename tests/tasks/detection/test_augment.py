"""Augmentation: polygons follow the pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.types import Sample
from ocr_trainer.tasks.detection.augment import Augmenter
from ocr_trainer.tasks.detection.config import AugmentConfig
from ocr_trainer_runtime.geometry import resize, resize_points

PRESETS = Path(__file__).parents[3] / "configs" / "augment" / "detection"


def preset(name: str, **options: object) -> AugmentConfig:
    return AugmentConfig(**{**yaml.safe_load((PRESETS / f"{name}.yaml").read_text()), **options})


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
    config = AugmentConfig(crop=384, scale=[scale, scale], rotate=rotate, flip=flip, color=0.0)
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


def framed(height: int, width: int, quads: np.ndarray, radius: float) -> Sample:
    """A gray page with a bright disc at every corner of every quad; the texts count the quads."""
    ys, xs = np.mgrid[:height, :width]
    image = np.full((height, width, 3), 90, np.uint8)
    for x, y in quads.reshape(-1, 2):
        image[(xs - x) ** 2 + (ys - y) ** 2 <= radius**2] = 255
    texts = [str(i) for i in range(len(quads))]
    return Sample(image, list(quads.astype(np.float32)), texts, np.arange(len(quads)) % 3 == 2, "made")


def light_at(image: np.ndarray, point: np.ndarray, reach: int) -> np.ndarray | None:
    """The middle of what is bright around a point; None where the page is seen only in part."""
    (left, top), size = np.rint(point).astype(int) - reach, 2 * reach + 1
    if left < 0 or top < 0 or left + size > image.shape[1] or top + size > image.shape[0]:
        return None
    window = cv2.GaussianBlur(image[top : top + size, left : left + size].mean(axis=2), (0, 0), 1)
    if window.min() < 10:
        return None
    assert window.max() > window.min() + 40, "there is no mark here"
    bright = np.argwhere(window > (window.min() + window.max()) / 2)
    return bright.mean(axis=0)[::-1] + np.array([left, top])


GRID = np.stack(np.meshgrid(np.arange(4), np.arange(3)), axis=-1).reshape(-1, 1, 2)
QUADS = np.array([[0, 0], [70, 0], [70, 50], [0, 50]]) + [60, 50] + GRID * [130, 100.0]


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(["none", "light", "authors", "strong"]), seed=st.integers(0, 10_000))
def test_each_corner_of_a_text_lies_where_its_mark_does_in_every_preset(name: str, seed: int):
    sample = framed(360, 580, QUADS, radius=9)
    config = preset(name, crop=640, text_share=1.0)
    out = Augmenter(config, lambda height, width: 1.0)(sample, np.random.default_rng(seed))
    found = []
    for polygon, text, ignored in zip(out.polygons, out.texts, out.ignore, strict=True):
        assert ignored == sample.ignore[int(text)]
        side = np.linalg.norm(polygon[0] - polygon[3])  # 50 on the page
        found += [(light_at(out.image, corner, int(side * 0.38)), corner) for corner in polygon]
    seen = [(light, corner) for light, corner in found if light is not None]
    assert seen or name == "authors"
    for light, corner in seen:
        assert np.abs(light - corner).max() < 0.5


@pytest.mark.parametrize("name", ["none", "light", "authors", "strong"])
def test_nothing_is_shifted_by_part_of_a_pixel_where_a_page_is_made_smaller(name: str):
    sample = framed(1440, 2320, QUADS * 4, radius=40)
    config = preset(name, crop=480, text_share=1.0)
    misses = []
    for seed in range(8):
        out = Augmenter(config, lambda height, width: 0.25)(sample, np.random.default_rng(seed))
        for polygon in out.polygons:
            reach = int(np.linalg.norm(polygon[0] - polygon[3]) * 0.38)
            found = [(light_at(out.image, corner, reach), corner) for corner in polygon]
            misses += [light - corner for light, corner in found if light is not None]
    assert len(misses) > 50
    assert np.abs(np.mean(misses, axis=0)).max() < 0.1


def test_flipping_is_mirroring():
    image = np.random.default_rng(0).integers(1, 256, size=(64, 64, 3), dtype=np.uint8)
    page = np.array([[0, 0], [63, 0], [63, 63], [0, 63]], np.float32)
    config = AugmentConfig(crop=96, scale=[1, 1], rotate=0, flip=1, color=0)
    sample = Sample(image, [page], [""], [False], "made")
    out = Augmenter(config, lambda h, w: 1.0)(sample, np.random.default_rng(0))
    left, top = out.polygons[0].min(axis=0).astype(int)
    np.testing.assert_array_equal(out.image[top : top + 64, left : left + 64], image[:, ::-1])
    assert out.polygons[0][0].tolist() == [left + 63, top]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    perspective=st.floats(0.1, 0.2),
    rotate=st.floats(0, 180),
    whole=st.booleans(),
    outside=st.floats(0, 2000),
)
def test_shapes_follow_the_most_extreme_perspective(seed, perspective, rotate, whole, outside):
    """What is bright is where its outline says, and as large, even with points far outside of the image."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = 22 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    middles = np.array([[60, 50], [150, 60], [100, 140], [210, 120]])
    sample = marked(200, 260, middles, radius=22)
    polygons = [(middle + ring).astype(np.float32) for middle in middles]
    down = np.linspace(190, 200 + outside, 4)
    stray = np.array([[130, y] for y in down] + [[140, y] for y in down[::-1]], np.float32)
    sample = Sample(sample.image, [*polygons, stray], [""] * 5, [False] * 4 + [True], "made")
    config = AugmentConfig(
        crop=384, scale=[1, 1], rotate=rotate, perspective=perspective, whole_text=whole, flip=0.5, color=0
    )
    out = Augmenter(config, lambda height, width: 1.0)(sample, np.random.default_rng(seed))
    bright = (out.image[..., 0] > 127).astype(np.uint8)
    for polygon, ignored in zip(out.polygons, out.ignore, strict=True):
        if ignored:  # none of it is behind the horizon: it goes on and on, straight
            steps = np.diff(polygon[:4].astype(float), axis=0)
            assert (steps[:-1] * steps[1:]).sum(axis=1).min() > 0
        if ignored or polygon.min() < 4 or polygon.max() > 379:
            continue
        around = np.zeros((384, 384), np.uint8)
        cv2.fillPoly(around, [np.rint(polygon).astype(np.int32)], 1)
        light = cv2.moments(bright & cv2.dilate(around, np.ones((5, 5))), binaryImage=True)
        shape = cv2.moments(polygon)
        assert light["m00"] == pytest.approx(shape["m00"], rel=0.1, abs=8)
        for moment in ("m10", "m01"):
            assert light[moment] / light["m00"] == pytest.approx(shape[moment] / shape["m00"], abs=0.7)


@pytest.mark.parametrize("name", ["none", "light", "authors", "strong"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (20, 30)])
def test_small_images_without_text(name: str, shape: tuple[int, int]):
    sample = Sample(np.full((*shape, 3), 99, np.uint8), [], [], [], "made")
    out = Augmenter(preset(name, crop=64), lambda h, w: 0.3)(sample, np.random.default_rng(0))
    assert (out.image.shape, out.image.dtype, out.polygons) == ((64, 64, 3), np.uint8, [])


def test_impossible_options_are_refused(cli):
    said = cli(
        "check", "augment=strong", "augment.perspective=2", "augment.jpeg_quality=0", "augment.blur=-1"
    )
    assert said.returncode == 2
    assert "augment.perspective must be at least 0 and at most 0.2, not 2" in said.stderr
    assert "augment.jpeg_quality must be at least 1 and at most 100, not 0" in said.stderr
    assert "augment.blur must be at least 0 and at most 1, not -1" in said.stderr

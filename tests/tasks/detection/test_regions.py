"""The crop between texts: it cuts none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.types import Sample
from ocr_trainer.tasks.detection.augment import Augmenter
from ocr_trainer.tasks.detection.config import AugmentConfig
from ocr_trainer.tasks.detection.regions import whole_region

AUTHORS = Path(__file__).parents[3] / "configs" / "augment" / "detection" / "authors.yaml"


def authors(**options: object) -> AugmentConfig:
    return AugmentConfig(**{**yaml.safe_load(AUTHORS.read_text()), **options})


def boxes(seed: int, count: int, width: int, height: int) -> np.ndarray:
    """Upright boxes that may overlap and leave the page: (count, 4, 2)."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform((-5, -5), (width, height), (count, 2))
    size = 2 + rng.uniform(0, (width / 4, height / 12), (count, 2))
    return corner[:, None] + size[:, None] * [[0, 0], [1, 0], [1, 1], [0, 1]]


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 12),
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    perspective=st.sampled_from([0.0, 0.1]),
    rotate=st.sampled_from([0.0, 10.0, 90.0]),
)
def test_whole_texts_are_never_cut(seed, count, width, height, perspective, rotate):
    quads = boxes(seed, count, width, height).astype(np.float32)
    ignore = np.arange(count) % 4 == 3
    texts = [str(i) for i in range(count)]
    sample = Sample(np.full((height, width, 3), 200, np.uint8), list(quads), texts, ignore, "made")
    config = authors(crop=128, perspective=perspective, rotate=rotate)
    out = Augmenter(config, lambda h, w: 1.0)(sample, np.random.default_rng(seed))
    assert out.image.shape == (128, 128, 3)
    assert out.image.dtype == np.uint8
    for polygon, text, ignored in zip(out.polygons, out.texts, out.ignore, strict=True):
        assert ignored == ignore[int(text)]
        quad = quads[int(text)]
        on_page = (quad >= -0.5).all() and (quad <= np.array([width, height]) - 0.5).all()
        if on_page and not ignored:
            assert polygon.min() >= -0.51
            assert polygon.max() <= 127.51
            # None of it lies on the black below or to the right of what was cut out.
            x, y = np.clip(np.rint(polygon.mean(axis=0)).astype(int), 0, 127)
            assert np.ptp(polygon, axis=0).min() < 4 or out.image[y, x, 0] > 0


def test_whole_texts_are_cut_out_at_many_sizes_and_hold_text_as_often_as_asked():
    quad = np.array([[300, 200], [340, 200], [340, 212], [300, 212]], np.float32)
    sample = Sample(np.zeros((400, 600, 3), np.uint8), [quad], ["word"], [False], "made")
    for share, least, most in ((1.0, 1.0, 1.0), (0.0, 0.1, 0.5)):
        config = authors(crop=320, rotate=0, text_share=share)
        augment = Augmenter(config, lambda h, w: 1.0)
        outs = [augment(sample, np.random.default_rng(seed)) for seed in range(100)]
        assert least <= np.mean([out.texts == ["word"] for out in outs]) <= most
        heights = [np.ptp(out.polygons[0][:, 1]) for out in outs if out.polygons]
        assert max(heights) > 1.8 * min(heights)


def test_text_everywhere_leaves_the_whole_image():
    quad = np.array([[-1, -1], [100, -1], [100, 50], [-1, 50]], np.float32)
    sample = Sample(np.full((50, 100, 3), 9, np.uint8), [quad], ["all"], [False], "made")
    config = authors(crop=200, rotate=0, flip=0)
    out = Augmenter(config, lambda h, w: 1.0)(sample, np.random.default_rng(0))
    np.testing.assert_allclose(out.polygons[0], 2 * (quad + 0.5) - 0.5, atol=1e-4)
    assert (out.image[1:99, 1:199] == 9).all()  # the outermost pixels are half black
    assert (out.image[100:] == 0).all()


def test_borders_lie_in_every_gap_between_texts_and_nowhere_else():
    """Against all that is possible, counted by hand: a page of two texts, 20 by 10."""
    texts = [
        np.array([[2.5, 1.5], [6, 1.5], [6, 4], [2.5, 4]]),
        np.array([[8, 6], [18, 6], [18, 8.5], [8, 8.5]]),
    ]
    extent = np.array([[-0.5, -0.5], [19.5, 9.5]])
    rng = np.random.default_rng(0)
    regions = np.array([whole_region(extent, texts, True, rng) for _ in range(3000)])
    regions = regions[(regions == regions.round()).all(axis=(1, 2))]  # the others are the whole page
    assert len(regions) > 2900
    assert set(regions[:, :, 0].ravel()) == {0, 1, 2, 6, 7, 8, 18, 19}
    assert set(regions[:, :, 1].ravel()) == {0, 1, 4, 5, 6, 9}
    held = [[(text >= low).all() and (text <= high).all() for text in texts] for low, high in regions]
    assert np.any(held, axis=1).all()
    assert {tuple(row) for row in held} == {(True, False), (False, True), (True, True)}


def test_a_region_is_a_tenth_of_the_page_or_more():
    extent = np.array([[-0.5, -0.5], [59.5, 29.5]])
    rng = np.random.default_rng(0)
    regions = np.array([whole_region(extent, [], False, rng) for _ in range(3000)])
    assert (regions[:, 1] - regions[:, 0]).min(axis=0).tolist() == [6, 3]


@pytest.mark.parametrize("with_text", [True, False])
def test_a_page_without_gaps_is_taken_whole(with_text: bool):
    extent = np.array([[-0.5, -0.5], [99.5, 49.5]])
    everywhere = [np.array([[-1, -1], [100, -1], [100, 50], [-1, 50]])]
    region = whole_region(extent, everywhere, with_text, np.random.default_rng(0))
    np.testing.assert_array_equal(region, extent)

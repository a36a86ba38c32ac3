"""How a picture is made to look: everything stays in its place."""

from __future__ import annotations

import io
from dataclasses import fields
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageFilter

from ocr_trainer.data.photometric import add_noise, apply_table, blur, compress, draw_table, gray, vary
from ocr_trainer.tasks.detection.config import AugmentConfig

ALL = AugmentConfig(color=0.3, color_cast=0.3, gray=1, blur=1, noise=1, jpeg=1)


def photograph(height: int = 80, width: int = 120) -> np.ndarray:
    """Something smooth, and of every color."""
    rows, columns = np.linspace(0, 6, height)[:, None, None], np.linspace(0, 9, width)[None, :, None]
    return (127 + 120 * np.sin(rows + columns * [1.0, 0.6, 0.3])).astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_shape_and_type_stay_and_the_original_is_untouched(height, width, seed, share):
    image = np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)
    before = image.copy()
    config = AugmentConfig(
        color=0.2 * share, color_cast=share * 0.9, gray=share, blur=share, noise=share, jpeg=share
    )
    one, same = (vary(image, config, np.random.default_rng(seed)) for _ in range(2))
    assert (one.shape, one.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(image, before)


def test_another_seed_gives_another_picture():
    one, other = (vary(photograph(), ALL, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_what_is_switched_off_changes_nothing_and_draws_nothing():
    names = {field.name for field in fields(AugmentConfig)}
    assert {"color", "color_cast", "gray", "blur", "noise", "jpeg"} <= names
    rng, fresh = np.random.default_rng(0), np.random.default_rng(0)
    np.testing.assert_array_equal(vary(photograph(), AugmentConfig(color=0), rng), photograph())
    assert rng.random() == fresh.random()


@pytest.mark.parametrize("name", ["gray", "blur", "noise", "jpeg"])
def test_each_effect_happens_as_often_as_asked(name: str):
    config = AugmentConfig(color=0, **{name: 0.3})
    rng = np.random.default_rng(0)
    changed = [not np.array_equal(vary(photograph(), config, rng), photograph()) for _ in range(400)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.07)


def test_blur_is_pillows_gaussian():
    page = np.full((60, 60, 3), 20, np.uint8)
    page[25:35, 20:40] = 220
    # Pillow's is made of three box blurs.
    pillows = np.asarray(Pillow.fromarray(page).filter(ImageFilter.GaussianBlur(2)), int)
    assert np.abs(blur(page, 2, 2).astype(int) - pillows).max() <= 6
    assert np.abs(page.astype(int) - pillows).max() > 60


def test_blur_along_one_axis_leaves_the_other_sharp():
    page = np.zeros((40, 40, 3), np.uint8)
    page[20:] = 255
    np.testing.assert_array_equal(blur(page, 5, 0), page)
    assert blur(page, 0, 5)[19, 0, 0] > 60


@pytest.mark.parametrize("sigma", [2.0, 15.0, 40.0])
def test_noise_is_normal_and_of_the_strength_given(sigma: float):
    flat = np.full((200, 200, 3), 128, np.uint8)
    noise = add_noise(flat, sigma, np.random.default_rng(0)).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.02 * sigma)
    assert noise.std() == pytest.approx(sigma, rel=0.02)
    bound = int(2 * sigma) + 0.5
    tails = 2 * NormalDist(0, sigma).cdf(-bound)
    assert np.mean(np.abs(noise) > bound) == pytest.approx(tails, abs=0.006)
    independent = np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)
    assert np.abs(independent).max() < 0.03


def test_noise_does_not_wrap_around():
    for value in (0, 255):
        out = add_noise(np.full((50, 50, 3), value, np.uint8), 20.0, np.random.default_rng(0))
        assert np.abs(out.astype(int) - value).max() < 100


def test_compression_is_jpegs_and_keeps_red_red():
    image = photograph()
    errors = []
    for quality in (90, 30, 5):
        ours = compress(image, quality).astype(float)
        file = io.BytesIO()
        Pillow.fromarray(image).save(file, "JPEG", quality=quality)
        pillows = np.asarray(Pillow.open(file), float)
        assert np.abs(ours - pillows).mean() < 3
        errors.append(np.abs(ours - image).mean())
    assert errors == sorted(errors)
    red = np.full((32, 32, 3), (200, 30, 40), np.uint8)
    assert np.abs(compress(red, 90).astype(int) - red).max() <= 3


def test_gray_is_pillows():
    expected = np.asarray(Pillow.fromarray(photograph()).convert("L"), int)
    assert np.abs(gray(photograph()).astype(int) - expected[..., None]).max() <= 1


@settings(deadline=None)
@given(st.floats(0, 0.9), st.floats(0, 0.9), st.integers(0, 1000))
def test_colours_keep_the_order_of_light_and_dark(color: float, tint: float, seed: int):
    table = draw_table(color, tint, np.random.default_rng(seed))
    assert (np.diff(table.astype(int), axis=0) >= 0).all()
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    np.testing.assert_array_equal(apply_table(ramp, table)[:, 0], np.broadcast_to(table, (256, 3)))

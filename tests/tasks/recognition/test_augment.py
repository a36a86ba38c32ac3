"""Texts are varied without losing any of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ocr_trainer.config.compose import compose
from ocr_trainer.data import photometric
from ocr_trainer.data.types import TextImage
from ocr_trainer.tasks.detection.config import AugmentConfig as DetectionAugmentConfig
from ocr_trainer.tasks.recognition.augment import TextAugmenter
from ocr_trainer.tasks.recognition.canvas import carry, rotating, slanting
from ocr_trainer.tasks.recognition.config import AugmentConfig

PRESETS = Path(__file__).parents[3] / "configs" / "augment" / "recognition"
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset(name: str, **options: object) -> AugmentConfig:
    return AugmentConfig(**{**yaml.safe_load((PRESETS / f"{name}.yaml").read_text()), **options})


def written(text: str = "Reading", size: int = 32) -> np.ndarray:
    """Dark on bright, close to all borders."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    image = Pillow.new("RGB", (right - left + 6, bottom - top + 6), (225, 220, 200))
    ImageDraw.Draw(image).text((3 - left, 3 - top), text, fill=(40, 30, 60), font=font)
    return np.array(image)


def varied(augment: TextAugmenter, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return augment(TextImage(image, "text", "made"), rng).image


def dots(height: int, width: int, step: int = 16) -> np.ndarray:
    """White with a grid of black squares of 3 pixels, some of them at the border."""
    image = np.full((height, width, 3), 255, np.uint8)
    for y in (*range(1, height - 1, step), height - 2):
        for x in (*range(1, width - 1, step), width - 2):
            image[y - 1 : y + 2, x - 1 : x + 2] = 0
    return image


def test_there_are_four_presets():
    assert NAMES == ["light", "none", "parseq", "strong"]
    assert preset("light") == AugmentConfig()


@pytest.mark.parametrize("name", NAMES)
def test_presets_compose(name: str):
    run = compose(["model=crnn", "dataset=synthetic", f"augment={name}"])
    assert run.augment == preset(name)


@pytest.mark.parametrize("name", NAMES)
def test_chance_follows_from_the_generator_alone(name: str):
    image, augment = written(), TextAugmenter(preset(name))
    before = image.copy()
    one, same = (varied(augment, image, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(image, before)
    if name not in ("none", "parseq"):
        others = [varied(augment, image, np.random.default_rng(seed)) for seed in range(4)]
        assert not all(other.shape == one.shape and (other == one).all() for other in others)


def test_none_leaves_an_image_as_it_is():
    np.testing.assert_array_equal(
        varied(TextAugmenter(preset("none")), written(), np.random.default_rng(0)), written()
    )


def test_the_parseq_preset_leaves_the_image_and_the_generator_to_the_model():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    np.testing.assert_array_equal(varied(TextAugmenter(preset("parseq")), written(), rng), written())
    assert rng.bit_generator.state == before


def test_options_of_the_same_name_mean_the_same():
    """Both tasks vary the look by one function: what it reads must be there in both."""
    shared = {field.name for field in fields(DetectionAugmentConfig)} & {
        field.name for field in fields(AugmentConfig)
    }
    assert shared >= {
        "color",
        "color_cast",
        "gray",
        "blur",
        "blur_sigma",
        "noise",
        "noise_sigma",
        "jpeg",
        "jpeg_quality",
    }


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(NAMES),
    height=st.integers(1, 300),
    width=st.integers(1, 400),
    seed=st.integers(0, 10_000),
)
def test_images_of_any_size_stay_images(name: str, height: int, width: int, seed: int):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = varied(TextAugmenter(preset(name), height=32), image, np.random.default_rng(seed))
    assert out.dtype == np.uint8
    assert out.shape[2] == 3
    assert out.shape[0] <= 4 * 64


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    rotate=st.floats(0, 45),
    shear=st.floats(0, 1),
    perspective=st.floats(0, 0.2),
    stretch=st.floats(1, 2),
)
def test_no_ink_leaves_the_canvas(seed: int, rotate: float, shear: float, perspective: float, stretch: float):
    """The dots at the corners and borders are all there, each as dark as it was."""
    image = dots(50, 130)
    config = preset("none", rotate=rotate, shear=shear, perspective=perspective, stretch=stretch)
    framed = cv2.copyMakeBorder(image, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    out = varied(TextAugmenter(config), framed, np.random.default_rng(seed))
    big = cv2.resize(out, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    count, *_ = cv2.connectedComponents((big[:, :, 0] < 190).astype(np.uint8))
    found, *_ = cv2.connectedComponents((framed[:, :, 0] < 190).astype(np.uint8))
    assert count == found


def test_the_canvas_shows_the_border_where_the_image_does_not_reach():
    image = np.full((20, 60, 3), 77, np.uint8)
    out = carry(image, rotating(image.shape[:2], 8) @ slanting(0.4, 0))
    assert (out == 77).all()
    assert out.shape[0] > 20
    assert out.shape[1] > 60


@pytest.mark.parametrize("angle", [-45, -10, 10, 45])
def test_long_lines_are_not_turned_into_thin_ones(angle: float):
    line = np.zeros((32, 1600, 3), np.uint8)
    assert carry(line, rotating(line.shape[:2], angle)).shape[0] <= 32 * 1.5 + 2
    word = np.zeros((32, 32, 3), np.uint8)
    expected = 32 * (np.cos(np.radians(10)) + np.sin(np.radians(10)))
    assert carry(word, rotating(word.shape[:2], 10)).shape[0] == pytest.approx(expected, abs=1)


def test_borders_move_by_no_more_than_asked():
    image, augment = written(size=60), TextAugmenter(preset("none", jitter=0.1), height=200)
    height, width = image.shape[:2]
    sizes = np.array([varied(augment, image, np.random.default_rng(seed)).shape[:2] for seed in range(200)])
    assert abs(sizes - (height, width)).max() <= 0.2 * height + 1
    assert np.ptp(sizes, axis=0).min() > 0.2 * height


def ink(image: np.ndarray) -> float:
    return float((255 - image.astype(float)).sum())


def test_dark_strokes_grow_and_shrink():
    image = written()
    assert (
        ink(photometric.thicken(image, 2, 1.0))
        > 1.1 * ink(image)
        > 1.2 * ink(photometric.thin(image, 2, 1.0))
    )
    np.testing.assert_array_equal(photometric.thin(image, 2, 0.0), image)
    # Pillow's are the same for odd sizes.
    np.testing.assert_array_equal(
        photometric.thin(image, 3, 1.0)[2:-2, 2:-2],
        np.array(Pillow.fromarray(image).filter(_max_filter()))[2:-2, 2:-2],
    )


def _max_filter() -> object:
    from PIL import ImageFilter

    return ImageFilter.MaxFilter(3)


def test_motion_spreads_along_its_line_only():
    point = np.zeros((21, 21, 3), np.uint8)
    point[10, 10] = 250
    level = photometric.smear(point, 6, 0)
    np.testing.assert_array_equal(np.argwhere(level[:, :, 0]), [[10, x] for x in range(7, 14)])
    steep = photometric.smear(point, 6, 90)
    np.testing.assert_array_equal(steep, level.transpose(1, 0, 2))
    np.testing.assert_array_equal(photometric.smear(point, 0.5, 30), point)


def test_blur_is_measured_by_the_texts_height():
    small, large = written(size=20), written(size=80)
    config = preset("none", blur=1.0, blur_sigma=0.1)

    def lost(image: np.ndarray) -> float:
        """How much of the contrast is gone on average."""
        augment = TextAugmenter(config, height=200)
        return (
            1
            - np.mean([varied(augment, image, np.random.default_rng(s)).std() for s in range(60)])
            / image.std()
        )

    assert lost(small) == pytest.approx(lost(large), rel=0.3)

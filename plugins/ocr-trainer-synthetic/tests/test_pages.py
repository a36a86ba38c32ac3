"""Pages: repeatable, and with outlines that fit the ink."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_synthetic import background, text_renderer
from ocr_trainer_synthetic.plugin import SyntheticConfig, synthetic
from ocr_trainer_synthetic.synthetic import Pages, Synthetic, make_page
from PIL import Image, ImageFont

from ocr_trainer.data.types import Sample
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

SMALL = SyntheticConfig(height=256, width=320, train_pages=4, val_pages=3, test_pages=3)
PAGES = 12
FACE = text_renderer.Face(None, 40)


def dataset(seed: int = 0, config: SyntheticConfig = SMALL) -> Synthetic:
    return Synthetic(config, Context(task=Task.detection, seed=seed))


def same(a: Sample, b: Sample) -> bool:
    return (
        np.array_equal(a.image, b.image)
        and a.texts == b.texts
        and all(np.array_equal(p, q) for p, q in zip(a.polygons, b.polygons, strict=True))
    )


# What pages there are


def test_a_page_is_always_the_same() -> None:
    split = dataset().train
    copy = pickle.loads(pickle.dumps(split))  # as a loader's worker gets it
    for index in (3, 0, 1000):
        assert same(split[index], dataset().train[index])
        assert same(split[index], copy[index])
    assert split[17].source == "synthetic/train/17"


def test_no_two_pages_are_the_same() -> None:
    data, other_seed = dataset(), dataset(seed=1)
    pages = [*data.train, *data.val, *data.test, *other_seed.train]
    pages += [data.train[index] for index in range(4, 12)]  # two more epochs
    assert len({page.image.tobytes() for page in pages}) == len(pages) == 4 + 3 + 3 + 4 + 8
    assert len({tuple(page.texts) for page in pages}) == len(pages)


def test_training_is_endless_and_the_rest_is_not() -> None:
    data = dataset()
    assert (data.train.endless, data.val.endless, data.test.endless) == (True, False, False)
    assert (len(data.train), len(data.val), len(data.test)) == (4, 3, 3)
    assert len(list(data.train)) == 4
    for split, index in ((data.val, 3), (data.test, 3), (data.train, -1), (data.val, -1)):
        with pytest.raises(IndexError):
            split[index]


def test_a_split_can_be_left_out() -> None:
    data = dataset(config=SyntheticConfig(val_pages=0, test_pages=0))
    assert data.val is None
    assert data.test is None


# What is on a page


def check(sample: Sample, config: SyntheticConfig) -> None:
    """What holds for every page."""
    assert sample.image.shape == (config.height, config.width, 3)
    assert sample.image.dtype == np.uint8
    assert len(sample.texts) <= config.max_words
    assert all(text and not text.isspace() for text in sample.texts)
    assert not sample.ignore.any()
    for polygon in sample.polygons:
        assert polygon.shape == (4, 2)
        assert polygon.dtype == np.float32
        assert (polygon >= 0).all()
        assert (polygon <= (config.width, config.height)).all()
    outlines = shapely.polygons(np.array(sample.polygons).reshape(-1, 4, 2))
    assert shapely.is_valid(outlines).all()
    # Clockwise as it is seen: y points down, so the mathematical sense is the other one.
    assert shapely.is_ccw(shapely.get_exterior_ring(outlines)).all()
    first, second = np.triu_indices(len(outlines), 1)
    assert not shapely.area(shapely.intersection(outlines[first], outlines[second])).any()


def test_pages_are_sound_and_full_enough() -> None:
    config = SyntheticConfig()
    pages = [dataset(config=config).train[index] for index in range(PAGES)]
    for page in pages:
        check(page, config)
    assert min(len(page.texts) for page in pages) >= config.min_words
    assert any(len(page.texts) > 20 for page in pages)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_pages_are_sound_for_any_options(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(64, 300)), data.draw(st.integers(64, 300))
    smallest = data.draw(st.integers(6, min(height, width) // 4))
    config = SyntheticConfig(
        height=height,
        width=width,
        min_words=(fewest := data.draw(st.integers(1, 20))),
        max_words=data.draw(st.integers(fewest, 40)),
        min_font_size=smallest,
        max_font_size=data.draw(st.integers(smallest, 80)),
        max_angle=data.draw(st.floats(0, 90)),
    )
    assert not list(config.validate())
    sample = Pages(config, data.draw(st.integers(0, 2**32 - 1)), "train", 1)[data.draw(st.integers(0, 10**6))]
    check(sample, config)
    assert sample.texts


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of black ink on white paper and nothing else."""
    monkeypatch.setattr(background, "make_paper", lambda h, w, rng: Image.new("RGB", (w, h), "white"))
    monkeypatch.setattr(background, "draw_ink", lambda page, mask, place, *_: page.paste(0, place, mask))
    monkeypatch.setattr(background, "clutter_sizes", lambda *_: [])
    monkeypatch.setattr(background, "add_noise", lambda page, _: np.array(page))


def level(ink: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Cut a word out of the page and set it level, by OpenCV's own geometry."""
    width, height = (max(2, round(float(np.linalg.norm(quad[i] - quad[0])))) for i in (1, 3))
    corners = np.float32([(0, 0), (width, 0), (width, height), (0, height)])
    # OpenCV counts pixels at their centers.
    matrix = cv2.getPerspectiveTransform(quad - np.float32(0.5), corners - np.float32(0.5))
    return cv2.warpPerspective(ink, matrix, (width, height))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(
        np.corrcoef(a.ravel(), cv2.resize(b, a.shape[::-1], interpolation=cv2.INTER_AREA).ravel())[0, 1]
    )


@pytest.mark.usefixtures("bare")
def test_all_ink_is_inside_the_outlines() -> None:
    for seed in range(PAGES):
        image, polygons, _ = make_page(SMALL, np.random.default_rng(seed))
        rows, columns = np.nonzero(image[..., 0] < 250)
        centers = shapely.points(columns + 0.5, rows + 0.5)
        outlines = shapely.union_all(shapely.polygons(np.array(polygons)))
        assert len(centers) > 100
        assert shapely.distance(centers, outlines).max() < 1.5  # resampling blurs by a pixel


@pytest.mark.usefixtures("bare")
def test_ink_reaches_all_sides_of_its_outline() -> None:
    words = 0
    for seed in range(PAGES):
        image, polygons, _ = make_page(SMALL, np.random.default_rng(seed))
        for quad in polygons:
            word = level(255 - image[..., 0], quad)
            for strip in (word[:2], word[-2:], word[:, :2], word[:, -2:]):
                assert strip.max() > 40
            words += 1
    assert words > 100


@pytest.mark.usefixtures("bare")
def test_corners_start_at_the_words_own_top_left() -> None:
    config = SyntheticConfig(height=400, width=400, min_font_size=24, max_font_size=32, max_angle=90)
    upright, turned = [], []
    for seed in range(PAGES):
        image, polygons, texts = make_page(config, np.random.default_rng(seed))
        for quad, text in zip(polygons, texts, strict=True):
            if len(text) < 4:
                continue  # "on" or "8" look much the same upside down
            word, drawn = level(255 - image[..., 0], quad), np.array(text_renderer.render(text, FACE).ink)
            upright.append(likeness(word, drawn))
            turned.append(likeness(word, drawn[::-1, ::-1]))
    assert len(upright) > 30
    assert np.mean(upright) > 0.8
    assert np.mean(turned) < 0.5
    assert min(upright) > 0.5


def test_text_turns_no_further_than_allowed() -> None:
    config = SyntheticConfig(height=320, width=320, max_angle=10)
    edges = [
        quad[1] - quad[0]
        for seed in range(PAGES)
        for quad in make_page(config, np.random.default_rng(seed))[1]
    ]
    angles = np.rad2deg([np.arctan2(y, x) for x, y in edges])
    assert np.abs(angles).max() < 10.01
    assert np.abs(angles).max() > 2


# Fonts


def test_a_font_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "own.ttf"
    path.write_bytes(ImageFont.load_default(20).font_bytes)
    config = SyntheticConfig(height=256, width=320, fonts=[path])
    # Here it is the built-in font once more, so the words look the same.
    assert np.array_equal(
        np.array(text_renderer.render("Word", text_renderer.Face(path, 30)).ink),
        np.array(text_renderer.render("Word", text_renderer.Face(None, 30)).ink),
    )
    check(dataset(config=config).train[0], config)


def test_a_font_that_is_none(tmp_path: Path) -> None:
    text = tmp_path / "font.ttf"
    text.write_text("not a font", encoding="utf-8")
    for path in (text, tmp_path / "missing.ttf"):
        with pytest.raises(DataError, match=f"the font '{path}' cannot be opened: "):
            dataset(config=SyntheticConfig(fonts=[path]))


# The description


def test_faults_are_named() -> None:
    config = SyntheticConfig(min_words=9, max_words=8, min_font_size=40, max_font_size=20, height=100)
    assert list(config.validate()) == [
        "min_words=9 is more than max_words=8",
        "min_font_size=40 is more than max_font_size=20",
        "min_font_size=40 is more than a quarter of the page, height=100 and width=512",
    ]
    assert not list(SyntheticConfig().validate())


def test_the_factory_needs_neither_torch_nor_opencv() -> None:
    module, _ = synthetic.factory.split(":")
    code = f"import sys, {module}; print({{'torch', 'cv2', 'lightning'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

"""A view keeps polygons and pixels together, and resamples the image once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.geometry import mirroring, scaling, shifting, turning, warp
from ocr_trainer.data.types import Sample
from ocr_trainer.data.view import View
from ocr_trainer_runtime.geometry import apply


def page(height: int = 90, width: int = 140) -> Sample:
    """Smooth noise with a quad in each quarter."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    quad = np.array([[0, 0], [20, 0], [20, 10], [0, 10]], np.float32)
    quads = [quad + np.array([x, y], np.float32) for y in (15, 60) for x in (20, 90)]
    flags = np.array([False, True, False, False])
    return Sample(cv2.resize(noise, (width, height)), quads, list("abcd"), flags, "made")


@settings(deadline=None, max_examples=50)
@given(angles=st.lists(st.floats(-180, 180), min_size=1, max_size=4), flip=st.booleans())
def test_any_number_of_steps_is_one_warp_with_their_product(angles: list[float], flip: bool):
    sample, view = page(), View.of(page())
    product = np.eye(3)
    for angle in angles:
        matrix = turning(140, 90, angle, 1.1) @ (mirroring(140) if flip else np.eye(3))
        view.transform(matrix)
        product = matrix @ product
    view.crop(140, 90)
    np.testing.assert_array_equal(view.image, warp(sample.image, product, 140, 90))
    for polygon, text in zip(view.polygons, view.texts, strict=True):
        original = sample.polygons[sample.texts.index(text)]
        np.testing.assert_allclose(polygon, apply(product, original), atol=1e-3)


def test_the_size_is_known_before_the_image_is_resampled():
    view = View.of(page())
    view.transform(shifting(np.array([3, 4])))
    view.crop(50, 40)
    assert view.size == (40, 50)
    assert view.image.shape == (40, 50, 3)


def test_texts_that_leave_the_image_go_with_their_polygons_and_flags():
    view = View.of(page())
    view.transform(shifting(np.array([-70, 0])))
    view.crop(70, 90)
    assert view.texts == ["b", "d"]
    assert view.ignore.tolist() == [True, False]
    assert [polygon.min(axis=0).tolist() for polygon in view.polygons] == [[20, 15], [20, 60]]
    assert view.fault() is None


@settings(deadline=None, max_examples=30)
@given(factor=st.floats(0.1, 1.0), turned=st.booleans())
def test_what_shrinks_is_averaged_wherever_it_shrinks(factor: float, turned: bool):
    """Stripes of one pixel become gray; a warp alone would keep some of them."""
    image = np.zeros((256, 256, 3), np.uint8)
    image[:, ::2] = 200
    view = View(image, [], [], np.zeros(0, bool))
    if turned:
        view.transform(mirroring(256))
    side = max(1, round(256 * factor))
    if factor < 0.5:
        view.transform(scaling(factor, factor), factor)
        view.crop(side, side)
        inner = view.image[2:-2, 2:-2]
        # A pixel covers 1 / factor columns; at most half a column more of one kind than of the other.
        assert np.abs(inner.astype(int) - 100).max(initial=0) <= 100 * factor + 3
    view.resize(side, side)
    assert view.image.shape == (side, side, 3)


@pytest.mark.parametrize("turned", [False, True])
def test_resizing_moves_polygons_with_the_pixels(turned: bool):
    image = np.zeros((80, 120, 3), np.uint8)
    image[20:40, 30:70] = 255
    corners = np.array([[29.5, 19.5], [69.5, 19.5], [69.5, 39.5], [29.5, 39.5]], np.float32)
    view = View(image, [corners], ["box"], np.zeros(1, bool))
    if turned:
        view.transform(mirroring(120))
    view.resize(40, 90)
    found = np.argwhere(view.image[:, :, 0] > 127)[:, ::-1]
    np.testing.assert_allclose(view.polygons[0].min(axis=0), found.min(axis=0) - 0.5, atol=0.5)
    np.testing.assert_allclose(view.polygons[0].max(axis=0), found.max(axis=0) + 0.5, atol=0.5)


def test_the_sample_is_untouched_and_its_image_cannot_be_written_to():
    sample = page()
    before = sample.image.copy(), [polygon.copy() for polygon in sample.polygons]
    view = View.of(sample)
    with pytest.raises(ValueError, match="read-only"):
        view.image[0, 0] = 0
    view.transform(turning(140, 90, 30, 2.0))
    view.crop(60, 60)
    view.image = 255 - view.image
    view.keep([False] * len(view.texts))
    np.testing.assert_array_equal(sample.image, before[0])
    np.testing.assert_array_equal(sample.polygons, before[1])
    assert sample.texts == list("abcd")
    assert View.of(sample).sample().image is sample.image


def test_unchanged_pixels_assigned_back_stay_writable():
    view = View.of(page())
    view.image = view.image
    assert view.sample().image.flags.writeable


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 0, 3), np.uint8)]
)
def test_what_is_no_image_cannot_be_assigned(image: np.ndarray):
    view = View.of(page())
    with pytest.raises(ValueError, match=r"an image must be uint8 of shape \(height, width, 3\), not"):
        view.image = image
    assert view.size == (90, 140)


QUAD = np.array([[1, 1], [9, 1], [9, 9], [1, 9]], np.float32)


def view_of(*polygons: np.ndarray, texts: int | None = None) -> View:
    count = len(polygons)
    return View(
        np.zeros((20, 30, 3), np.uint8),
        polygons,
        ["x"] * (count if texts is None else texts),
        np.zeros(count),
    )


@pytest.mark.parametrize(
    ("view", "fault"),
    [
        (view_of(QUAD, QUAD, texts=1), "it leaves 2 polygons, 1 texts and 2 flags"),
        (view_of(QUAD, QUAD[:2]), r"it leaves a polygon of shape \(2, 2\)"),
        (view_of(QUAD[:, 0]), r"it leaves a polygon of shape \(4,\)"),
        (view_of(QUAD * np.nan), "it leaves a polygon with coordinates that are not finite"),
        (view_of(QUAD, QUAD + 30, QUAD - 12), "it leaves 2 of 3 polygons entirely outside of the image of 30 x 20"),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_what_to_do(view: View, fault: str):
    with pytest.raises(AssertionError, match=fault):
        assert view.fault() is None, view.fault()


def test_polygons_of_any_number_type_become_float32():
    view = view_of(QUAD.astype(np.float64), QUAD.astype(int))
    view.add(QUAD.tolist(), "list")
    assert view.fault() is None
    assert {polygon.dtype.name for polygon in view.polygons} == {"float32"}


@given(st.lists(st.tuples(st.floats(-40, 60), st.floats(-40, 60)), max_size=5))
def test_outside_is_what_shares_no_pixel_with_the_image(places: list[tuple[float, float]]):
    polygons = [QUAD + np.array(place, np.float32) for place in places]
    view = view_of(*polygons)
    view.drop_outside()
    inside = [
        p for p in polygons if p[:, 0].max() > -0.5 and p[:, 0].min() < 29.5 and p[:, 1].max() > -0.5 and p[:, 1].min() < 19.5
    ]  # fmt: skip
    assert len(view.polygons) == len(view.texts) == len(view.ignore) == len(inside)


@settings(deadline=None)
@given(x=st.floats(-12, 35), y=st.floats(-12, 25), turn=st.floats(0, 90))
def test_clipping_leaves_what_lies_in_the_image(x: float, y: float, turn: float):
    polygon = cv2.boxPoints(((x, y), (12.0, 7.0), turn))
    view = view_of(polygon)
    view.clip()
    image = shapely.box(-0.5, -0.5, 29.5, 19.5)
    rest = shapely.Polygon(polygon).intersection(image)
    assert view.fault() is None
    assert len(view.polygons) == len(view.texts)
    assert sum(shapely.Polygon(one).area for one in view.polygons) == pytest.approx(rest.area, abs=1e-3)


def test_clipping_keeps_the_largest_part_of_an_outline_in_several():
    u_shape = np.array([[-5, 2], [20, 2], [20, 6], [-2, 6], [-2, 8], [10, 8], [10, 12], [-5, 12]], np.float32)
    view = view_of(u_shape)
    view.clip()
    assert np.ptp(view.polygons[0], axis=0).tolist() == [20.5, 4]


def test_a_text_that_was_dropped_does_not_come_back_into_the_image():
    sample = page()
    sample.image[:] = 0
    sample.image[:, :70] = 255  # "a" and "c"
    view = View.of(sample)
    view.transform(shifting(np.array([-70, 0])))
    view.crop(70, 90)
    assert view.texts == ["b", "d"]
    view.transform(shifting(np.array([70, 0])))
    view.crop(140, 90)
    assert not view.image.any()
    kept = View.of(page())
    kept.transform(mirroring(140))
    kept.crop(140, 90)
    kept.transform(mirroring(140))
    np.testing.assert_array_equal(kept.image, page().image, "no text was dropped: both are one warp")

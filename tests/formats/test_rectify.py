"""A text is cut out of an image upright and as it would be seen from the front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from ocr_trainer_runtime.recognition.rectify import cut, text_size

NOISE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOX = np.array([[20, 30], [79, 30], [79, 49], [20, 49]], np.float32)
"""Names columns 20 to 79 and rows 30 to 49."""


def waves(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What is written on a made-up plane: brightness at a place, smooth and alike nowhere."""
    return 128 + 50 * np.sin(u / 7 + 1) + 50 * np.cos(v / 5 + u / 31)


def gray(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(values).astype(np.uint8)[:, :, None], 3, axis=2)


def test_a_straight_box_is_cut_to_the_pixel():
    np.testing.assert_array_equal(cut(NOISE, BOX), NOISE[30:50, 20:80])
    np.testing.assert_array_equal(cut(NOISE, BOX, margin=0.25), NOISE[25:55, 15:85])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_first_corner_is_the_texts_top_left(turns: int):
    upright = np.rot90(NOISE[30:50, 20:80], turns)
    np.testing.assert_array_equal(cut(NOISE, np.roll(BOX, -turns, axis=0)), upright)
    np.testing.assert_array_equal(cut(NOISE, np.roll(BOX, -turns, axis=0)[[0, 3, 2, 1]]), upright)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_where_no_corner_is_the_first_a_text_runs_along_its_outline(turns: int):
    np.testing.assert_array_equal(cut(NOISE, np.roll(BOX, turns, axis=0), ordered=False), NOISE[30:50, 20:80])
    down = np.array([[20, 30], [39, 30], [39, 99], [20, 99]], np.float32)
    np.testing.assert_array_equal(
        cut(NOISE, np.roll(down, turns, axis=0), ordered=False), np.rot90(NOISE[30:100, 20:40])
    )


def test_what_lies_outside_the_image_repeats_its_border():
    out = cut(NOISE, BOX - (40, 0))
    np.testing.assert_array_equal(out[:, 20:], NOISE[30:50, :40])
    np.testing.assert_array_equal(out[:, :20], np.repeat(NOISE[30:50, :1], 20, axis=1))


def test_a_parallelogram_is_what_pillow_makes_of_it():
    xs, ys = np.meshgrid(np.arange(160.0), np.arange(120.0))
    page = gray(waves(xs, ys))
    quad = np.array([[30, 20], [110, 40], [100, 70], [20, 50]], float)
    out = cut(page, quad)
    height, width = out.shape[:2]
    # Pillow takes outer corners of the first and last pixels, the north-west one first, then the south-west.
    right, down = (quad[1] - quad[0]) / (width - 1) / 2, (quad[3] - quad[0]) / (height - 1) / 2
    outer = quad + 0.5 + np.array([-right - down, right - down, right + down, -right + down])
    theirs = Pillow.fromarray(page).transform(
        (width, height),
        Pillow.Transform.QUAD,
        outer[[0, 3, 2, 1]].ravel().tolist(),
        Pillow.Resampling.BILINEAR,
    )
    np.testing.assert_allclose(out.astype(int), np.array(theirs).astype(int), atol=3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-8, 8), min_size=8, max_size=8), st.floats(0, 0.3))
def test_a_plane_in_space_is_seen_from_the_front(moves: list[float], margin: float):
    quad = np.array([[40, 40], [120, 40], [120, 80], [40, 80]], float) + np.reshape(moves, (4, 2))
    height, width = (round(side) + 1 for side in text_size(quad))
    # The projection that takes the quadrilateral to the crop, from its eight equations.
    target = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    rows = [
        row
        for (x, y), (u, v) in zip(quad, target, strict=True)
        for row in ([x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y])
    ]
    matrix = np.append(np.linalg.solve(rows, target.ravel()), 1).reshape(3, 3)
    xs, ys = np.meshgrid(np.arange(160.0), np.arange(120.0))
    u, v, depth = np.tensordot(matrix, np.stack([xs, ys, np.ones_like(xs)]), axes=1)
    out = cut(gray(waves(u / depth, v / depth)), quad, margin)
    pad = round(margin * text_size(quad)[0])
    expected = waves(*np.meshgrid(np.arange(-pad, width + pad), np.arange(-pad, height + pad)))
    assert out.shape == (height + 2 * pad, width + 2 * pad, 3)
    np.testing.assert_allclose(out[:, :, 0], expected, atol=6)


@pytest.mark.parametrize("margin", [0.0, 0.2])
@pytest.mark.parametrize("clockwise", [True, False])
def test_a_curved_text_is_laid_straight(margin: float, clockwise: bool):
    xs, ys = np.meshgrid(np.arange(300.0), np.arange(200.0))
    # An arc around (150, 220), from 150 to 180 pixels away: its middle line is the measure of its width.
    away, angle = np.hypot(xs - 150, ys - 220), np.arctan2(xs - 150, 220 - ys)
    page = gray(waves(165 * angle + 200, 180 - away))
    angles = np.linspace(-0.6, 0.6, 9)
    edges = [np.stack([150 + r * np.sin(angles), 220 - r * np.cos(angles)], axis=1) for r in (180, 150)]
    outline = np.concatenate([edges[0], edges[1][::-1]])
    out = cut(page, outline if clockwise else np.roll(outline[::-1], 1, axis=0), margin)
    height, width, pad = 31, 199, round(margin * 30)
    assert out.shape == pytest.approx((height + 2 * pad, width + 2 * pad, 3), abs=1)
    along = np.linspace(-pad, 165 * 1.2 + pad, out.shape[1]) - 165 * 0.6 + 200
    expected = waves(*np.meshgrid(along, np.arange(-pad, height + pad)))
    np.testing.assert_allclose(
        out[pad : pad + height, pad : -pad or None, 0],
        expected[pad : pad + height, pad : -pad or None],
        atol=12,
    )
    assert np.abs(out[:, :, 0] - expected).mean() < 5


LINE = np.array([[20, 40], [60, 38], [95, 40], [140, 40], [140, 59], [90, 61], [60, 59], [20, 59]], float)
"""A line's outline, four points above and four below."""


@pytest.mark.parametrize("start", range(8))
@pytest.mark.parametrize("clockwise", [True, False])
def test_a_line_is_read_from_the_left_wherever_its_outline_begins(start: int, clockwise: bool):
    outline = np.roll(LINE, -start, axis=0)[:: 1 if clockwise else -1]
    np.testing.assert_array_equal(cut(NOISE, outline, ordered=False), cut(NOISE, LINE))


@pytest.mark.parametrize("start", [1, 2, 3])
def test_an_outline_that_begins_in_the_midst_of_an_edge_is_no_band(start: int):
    out = cut(NOISE, np.roll(LINE, -start, axis=0), mask=False)
    np.testing.assert_array_equal(out, NOISE[38:62, 20:141])


def test_what_is_not_of_a_line_is_blanked():
    page = np.full((100, 200, 3), 230, np.uint8)
    page[40:60, 20:180:4] = 0  # the text
    page[64:90, 100:180] = 10  # what stands below it
    outline = np.array([[10, 36], [100, 34], [190, 36], [190, 62], [98, 62], [60, 80], [10, 80]], float)
    blanked, whole = cut(page, outline, mask=True), cut(page, outline, mask=False)
    np.testing.assert_array_equal(whole, page[34:81, 10:191])
    np.testing.assert_array_equal(blanked[:28], whole[:28])
    assert (blanked[32:, 95:] == 230).all()
    assert (whole[32:, 95:170] == 10).all()


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        ([[5, 5], [9, 9]], "2 points are not a polygon"),
        ([[5, 5], [50, 5], [90, 5], [20, 5]], "the outline has no area"),
        ([[5, 5], [6, 5], [6, 6], [5, 6]], "1 x 1 pixels are too few to show a text"),
        ([[5, 5], [50, 5], [50, 6], [5, 6]], "45 x 1 pixels are too few to show a text"),
        ([[165, 5], [190, 5], [190, 20], [165, 20]], "it lies outside the image"),
        ([[5, 5], [900_000, 5], [900_000, 90], [5, 90]], "899995 x 85 pixels are more than a text in this image can have"),
        ([[5, 5], [float("nan"), 5], [50, 60], [5, 60]], "a coordinate is not a finite number"),
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_cut_it_says_why(polygon: list[list[float]], said: str):
    with pytest.raises(ValueError, match=f"^{said}$"):
        cut(NOISE, np.array(polygon, float))


NUMBERS = st.floats(-300, 300) | st.integers(-20, 180).map(float) | st.sampled_from([1e6, -1e6, float("inf")])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.booleans(),
)
def test_no_outline_is_beyond_it(points: list[tuple[float, float]], margin: float, ordered: bool):
    try:
        out = cut(NOISE, np.array(points), margin, ordered=ordered)
    except ValueError:
        return
    assert out.dtype == np.uint8
    assert out.ndim == 3
    assert min(out.shape[:2]) > 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-8, 8), min_size=8, max_size=8), st.booleans())
def test_the_size_is_known_before_the_text_is_cut(moves: list[float], clockwise: bool):
    quad = np.array([[40, 40], [120, 40], [120, 80], [40, 80]], float) + np.reshape(moves, (4, 2))
    height, width = text_size(quad if clockwise else quad[[0, 3, 2, 1]])
    assert cut(NOISE, quad).shape == (round(height) + 1, round(width) + 1, 3)
    band = np.concatenate([quad[:1], quad[:2].mean(0)[None], quad[1:3], quad[2:].mean(0)[None], quad[3:]])
    assert text_size(band) == pytest.approx((height, width), rel=0.05)

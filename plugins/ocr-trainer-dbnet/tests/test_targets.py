import math

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ocr_trainer_dbnet.plugin import DBNetConfig
from ocr_trainer_dbnet.targets import draw_band, make_targets, shrink

from ocr_trainer_runtime.detection.offset import offset

SIZE = (96, 160)
LINE = np.array([[10, 10], [110, 10], [110, 30], [10, 30]], np.float32)
SMALL = np.array([[10, 10], [60, 10], [60, 17], [10, 17]], np.float32)
CONFIG = DBNetConfig()


def targets(*polygons, ignore=None, size=SIZE):
    ignore = np.zeros(len(polygons), bool) if ignore is None else np.array(ignore)
    return make_targets(polygons, ignore, size, CONFIG)


def total(array):
    return float(array.astype(np.float64).sum())


def rectangle(x, y, length, height, angle):
    corners = np.array([[-length, -height], [length, -height], [length, height], [-length, height]]) / 2
    c, s = math.cos(angle), math.sin(angle)
    return (corners @ np.array([[c, s], [-s, c]]) + (x, y)).astype(np.float32)


rectangles = st.builds(
    rectangle,
    st.floats(-20, 180),
    st.floats(-20, 120),
    st.floats(15, 90),
    st.floats(10, 40),
    st.floats(0, math.pi),
)


def test_golden_line():
    maps = targets(LINE)
    assert shrink(LINE, CONFIG)[1] == pytest.approx(7.0)
    assert total(maps["shrunk"]) == 609
    assert total(maps["mask"]) == 96 * 160
    assert total(maps["threshold_mask"]) == 3967
    assert total(maps["threshold"]) == pytest.approx(5274.47, rel=3e-4)  # float16 rounds 0.3 up
    band = np.zeros(SIZE, np.float32)
    draw_band(band, LINE, 7.0)
    assert 0.3 * band.size + 0.4 * total(band) == pytest.approx(5274.47, abs=0.1)


def test_golden_small_text_is_masked_out():
    maps = targets(SMALL)
    assert total(maps["shrunk"]) == 0
    assert total(1 - maps["mask"]) == 408
    assert total(maps["threshold_mask"]) == 0


def test_ignored_text_is_masked_out_and_has_no_border():
    maps = targets(LINE, ignore=[True])
    assert total(1 - maps["mask"]) == 101 * 21
    assert total(maps["shrunk"]) == total(maps["threshold_mask"]) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(rectangles, min_size=1, max_size=3))
def test_threshold_map_is_the_distance_to_the_outlines(polygons):
    """Compare with shapely: the distance of every pixel to every outline."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = shapely.points(x.ravel(), y.ravel())
    expected = np.zeros(x.size)
    for polygon in polygons:
        shape = shapely.Polygon(polygon)
        distance = shape.area * 0.84 / shape.length
        far = shapely.distance(pixels, shape.exterior)
        expected = np.maximum(expected, 1 - np.minimum(far / distance, 1))
    maps = targets(*polygons)["threshold"].ravel()
    np.testing.assert_allclose(maps, 0.3 + 0.4 * expected, atol=1e-3)


def distance_by_hand(x, y, polygon):
    """Return the distance of one pixel to an outline: the smallest distance to an edge."""
    nearest = math.inf
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        along = 0 if length == 0 else ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length
        along = min(max(along, 0), 1)
        nearest = min(nearest, math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
    return nearest


def area_by_hand(polygon):
    return (
        abs(
            sum(
                ax * by - bx * ay
                for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True)
            )
        )
        / 2
    )


@st.composite
def stars(draw):
    """Draw polygons of 4 to 12 points around a center, convex or not, inside the image or beyond its edges."""
    count = draw(st.integers(4, 12))
    center = draw(st.tuples(st.floats(-5, 45), st.floats(-5, 35)))
    radii = draw(st.lists(st.floats(8, 25), min_size=count, max_size=count))
    angles = [2 * math.pi * i / count for i in range(count)]
    return [
        (center[0] + r * math.cos(a), center[1] + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)
    ]


@settings(max_examples=15, deadline=None)
@given(st.lists(stars(), min_size=1, max_size=3))
def test_threshold_map_equals_the_map_by_hand(polygons):
    """Compare pixel by pixel with plain Python: 0.3 to 0.7 by the distance to the nearest learned border."""
    size = (30, 40)
    rounded = [[tuple(np.float32(point).tolist()) for point in polygon] for polygon in polygons]
    maps = targets(*(np.array(polygon, np.float32) for polygon in rounded), size=size)
    learned = [polygon for polygon in rounded if shrink(np.array(polygon, np.float32), CONFIG) is not None]
    reach = [
        area_by_hand(p) * 0.84 / sum(math.dist(a, b) for a, b in zip(p, [*p[1:], p[0]], strict=True))
        for p in learned
    ]
    for y in range(size[0]):
        for x in range(size[1]):
            far = [distance_by_hand(x, y, polygon) / d for polygon, d in zip(learned, reach, strict=True)]
            expected = 0.3 + 0.4 * max([1 - min(share, 1) for share in far], default=0)
            assert maps["threshold"][y, x] == pytest.approx(expected, abs=2e-3)


@settings(max_examples=60, deadline=None)
@given(rectangles)
@example(rectangle(-11, 0, 15, 10, 2.5))  # its border enters the image by half a pixel
def test_kernel_and_border_mask_are_exact_offsets(polygon):
    """Compare with shapely; pixels within 1.5 of an outline may be drawn either way."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = shapely.points(x, y)
    shape = shapely.Polygon(polygon)
    distance = shape.area * 0.84 / shape.length
    maps = targets(polygon)
    for key, moved in (("shrunk", shape.buffer(-distance)), ("threshold_mask", shape.buffer(distance))):
        clear = shapely.distance(pixels, moved.exterior) > 1.5
        np.testing.assert_array_equal(maps[key][clear], shapely.contains(moved, pixels)[clear])


@settings(max_examples=100, deadline=None)
@given(rectangles, st.floats(0.5, 0.95))
def test_offset_agrees_with_shapely(polygon, share):
    edges = np.linalg.norm(polygon - np.roll(polygon, 1, axis=0), axis=1)
    distance = share * edges.min() / 2
    (piece,) = offset(polygon, -distance)
    expected = shapely.Polygon(polygon).buffer(-distance)
    assert shapely.Polygon(piece).area == pytest.approx(expected.area, abs=0.5)


def test_all_pieces_of_a_kernel_are_kept():
    dumbbell = [[5, 5], [45, 5], [45, 23], [85, 23], [85, 5], [125, 5]]
    dumbbell += [[x, 50 - y] for x, y in reversed(dumbbell)]
    maps = targets(np.array(dumbbell, np.float32))
    assert len(shrink(np.array(dumbbell, np.float32), CONFIG)[0]) == 2
    assert maps["shrunk"][25, 25] == maps["shrunk"][25, 105] == 1
    assert maps["shrunk"][25, 65] == 0
    assert total(maps["mask"]) == maps["mask"].size


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.floats(24, 36), st.floats(2, 6), st.booleans())
def test_a_chain_shrinks_to_a_piece_for_each_link(links, side, bridge, upright):
    """Squares joined by bridges too narrow to survive; shapely gives the number of pieces."""
    squares = [shapely.box(5 + i * (side + 8), 5, 5 + i * (side + 8) + side, 5 + side) for i in range(links)]
    joint = shapely.box(5, 5 + side / 2 - bridge / 2, 5 + links * (side + 8) - 8, 5 + side / 2 + bridge / 2)
    chain = np.array(shapely.union_all([*squares, joint]).exterior.coords[:-1], np.float32)
    chain = chain[:, ::-1] if upright else chain
    pieces, distance = shrink(chain, CONFIG)
    expected = shapely.Polygon(chain).buffer(-distance)
    assert len(pieces) == len(shapely.get_parts(expected)) == links
    size = (48, 240) if not upright else (240, 48)
    maps = targets(chain, size=size)
    assert sum(shapely.Polygon(piece).area for piece in pieces) == pytest.approx(expected.area, rel=0.03)
    count, _ = cv2.connectedComponents(maps["shrunk"])
    assert count - 1 == links
    assert maps["mask"].all()  # all of it is learned
    assert maps["threshold_mask"].any()


def test_an_image_without_text_has_targets():
    maps = targets()
    assert [total(maps[key]) for key in ("shrunk", "threshold_mask")] == [0, 0]
    assert maps["mask"].all()
    assert np.unique(maps["threshold"]).tolist() == pytest.approx([0.3], abs=1e-3)


def test_text_that_leaves_the_image_is_drawn_where_it_is_visible():
    wide = np.array([[-50, 20], [400, 20], [400, 60], [-50, 60]], np.float32)
    maps = targets(wide)
    assert maps["shrunk"][40].all()
    assert not maps["shrunk"][:20].any()
    outside = targets(wide + np.float32(1000))
    assert all(np.array_equal(outside[key], targets()[key]) for key in outside)


@pytest.mark.parametrize(
    "points",
    [
        [[5, 5]],
        [[5, 5], [50, 50]],
        [[5, 5]] * 4,
        [[5, 5], [50, 50], [90, 90]],
        [[10, 10], [60, 60], [10, 60], [60, 10]],
        [[10, 10], [np.nan, 10], [60, 60], [10, 60]],
        [[np.nan, np.nan]] * 3,
        [[10, 10], [np.inf, 10], [60, 60], [-np.inf, 60]],
        [[0, 0], [3e38, 0], [3e38, 3e38], [0, 3e38]],
        [[10, 10], [100, 10], [100, 10], [100, 40], [10, 40], [10, 40]],
    ],
)
def test_degenerate_polygons_neither_crash_nor_change_the_targets(points):
    maps = targets(np.array(points, np.float32))
    assert set(np.unique(maps["shrunk"])) <= {0, 1}
    assert np.isfinite(maps["threshold"]).all()
    if not np.isfinite(points).all() or np.abs(points).max() > 1e30:
        assert total(maps["shrunk"]) == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1, max_size=8))
def test_any_polygon_gives_maps_that_stack(points):
    maps = targets(np.array(points, np.float32))
    dtypes = {key: (value.dtype.name, value.shape) for key, value in maps.items()}
    assert dtypes == {
        "shrunk": ("uint8", SIZE),
        "mask": ("uint8", SIZE),
        "threshold": ("float16", SIZE),
        "threshold_mask": ("uint8", SIZE),
    }
    assert 0.299 <= maps["threshold"].min() <= maps["threshold"].max() <= 0.701

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_dbnet.calibration import calibration_candidates
from ocr_trainer_dbnet.plugin import DBNetConfig
from ocr_trainer_dbnet.targets import make_targets

from ocr_trainer.plugin.options import Shape, Unclip
from ocr_trainer_runtime.detection.db import decode_map, find_kernels, mean_inside, unclip_distance
from ocr_trainer_runtime.detection.offset import exact_distance, offset

SIZE = (96, 160)
LINE = np.array([[10, 10], [110, 10], [110, 30], [10, 30]], np.float32)


def perfect_map(*polygons, size=SIZE):
    maps = make_targets(polygons, np.zeros(len(polygons), bool), size, DBNetConfig())
    return maps["shrunk"].astype(np.float32)


def iou(a, b):
    a, b = shapely.Polygon(a), shapely.Polygon(b)
    return a.intersection(b).area / a.union(b).area


def box(width, height, left=10, top=10):
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + np.float32([left, top])


def test_golden_quad():
    detections = decode_map(perfect_map(LINE), SIZE, DBNetConfig())
    (quad,) = detections.polygons
    np.testing.assert_allclose(quad, [[13, 13], [107, 13], [107, 27], [13, 27]], atol=0.25)
    assert quad.dtype == np.float32
    assert detections.scores == pytest.approx([1.0])
    assert detections.warnings == []


@pytest.mark.parametrize(("size", "ratio_iou"), [((20, 20), 0.97), ((100, 20), 0.68), ((300, 20), 0.51)])
def test_exact_unclip_undoes_what_the_ratio_does_not(size, ratio_iou):
    original = box(*size)
    width, height = size
    shrunk_by = width * height * 0.84 / (2 * (width + height))
    (kernel,) = offset(original, -shrunk_by)
    shape = shapely.Polygon(kernel)
    for config, expected in ((DBNetConfig(), ratio_iou), (DBNetConfig(unclip=Unclip.exact), 1.0)):
        grown = shape.buffer(unclip_distance(shape.area, shape.length, config), join_style="mitre")
        assert iou(grown.exterior.coords, original) == pytest.approx(expected, abs=0.006)


@given(st.floats(2, 500), st.floats(2, 500), st.floats(0.1, 0.9))
def test_exact_distance_solves_the_equation_of_a_rectangle(width, height, ratio):
    distance = width * height * (1 - ratio**2) / (2 * (width + height))
    inner = max(width - 2 * distance, 0), max(height - 2 * distance, 0)
    if min(inner) > 0.01:
        detections = exact_distance(inner[0] * inner[1], 2 * sum(inner), ratio)
        assert detections == pytest.approx(distance, rel=1e-6)


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("size", [(20, 20), (100, 20), (300, 20), (300, 60)])
def test_exact_decoding_of_a_perfect_map(size, shape):
    original = box(*size)
    config = DBNetConfig(unclip=Unclip.exact, shape=shape)
    detections = decode_map(perfect_map(original, size=(96, 352)), (96, 352), config)
    assert len(detections.polygons) == 1
    # Kernels are drawn in whole pixels: that alone costs 5 % of 300 x 20 and 7 % of 20 x 20.
    assert iou(detections.polygons[0], original) > 0.93


@settings(max_examples=40, deadline=None)
@given(st.floats(0.3, 2.5), st.floats(18, 30), st.floats(80, 120))
def test_exact_polygons_of_curved_text(span, height, radius):
    angles = np.linspace(-math.pi / 2 - span / 2, -math.pi / 2 + span / 2, 12)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    center = np.array([160, 160])
    band = np.concatenate([center + arc * radius, center + arc[::-1] * (radius - height)]).astype(np.float32)
    config = DBNetConfig(shape=Shape.polygon, unclip=Unclip.exact)
    detections = decode_map(perfect_map(band, size=(320, 320)), (320, 320), config)
    assert len(detections.polygons) == 1
    assert iou(detections.polygons[0], band) > 0.8


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 180), st.floats(30, 70), st.floats(20, 30))
def test_quads_are_rotated_rectangles_clockwise_from_the_top_left(angle, length, height):
    turned = np.array(shapely.affinity.rotate(shapely.box(0, 0, length, height), angle).exterior.coords)[:4]
    turned = (turned - turned.mean(axis=0) + 60).astype(np.float32)
    config = DBNetConfig(unclip=Unclip.exact)
    (quad,) = decode_map(perfect_map(turned, size=(128, 128)), (128, 128), config).polygons
    assert iou(quad, turned) > 0.75  # a kernel 6 pixels high is drawn up to 1 pixel too high
    x, y = quad.T
    assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0  # clockwise where y points down
    assert quad.sum(axis=1).argmin() == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(Shape), st.sampled_from(Unclip))
def test_nothing_lies_outside_or_below_the_threshold(seed, shape, unclip):
    noise = np.random.default_rng(seed).random((8, 8), dtype=np.float32)
    smooth = np.kron(noise, np.ones((12, 12), np.float32))
    smooth[30:61, 40:75] = 0
    smooth[42:61, 50:75] = 1  # one region in any case, in the corner
    config = DBNetConfig(shape=shape, unclip=unclip, box_threshold=0.5)
    detections = decode_map(smooth, (61, 75), config)
    assert len(detections.polygons) == len(detections.scores) > 0
    assert (detections.scores >= 0.5).all()
    for polygon in detections.polygons:
        assert polygon.dtype == np.float32
        assert polygon.min() >= 0
        assert (polygon.max(axis=0) <= (75, 61)).all()


def test_padding_is_not_read():
    padded = np.zeros((128, 192), np.float32)
    padded[:96, :160] = perfect_map(LINE)
    padded[100:120] = 1
    detections = decode_map(padded, SIZE, DBNetConfig())
    assert len(detections.polygons) == 1


def test_score_is_the_mean_inside():
    rng = np.random.default_rng(0)
    values = rng.random(SIZE, dtype=np.float32)
    assert mean_inside(values, box(30, 9)) == pytest.approx(values[10:20, 10:41].mean(), rel=1e-5)
    assert mean_inside(values, box(400, 400, -50, -50)) == pytest.approx(values.mean(), rel=1e-5)


def test_thresholds_and_least_side_drop_regions():
    values = np.zeros(SIZE, np.float32)
    values[10:20, 10:60] = 0.55
    values[40:43, 10:60] = 1.0  # two pixels from center to center of its outline
    values[60:70, 10:60] = 0.9
    detections = decode_map(values, SIZE, DBNetConfig())
    assert detections.scores == pytest.approx([0.9])
    assert len(decode_map(values, SIZE, DBNetConfig(box_threshold=0.5)).polygons) == 2
    assert len(decode_map(values, SIZE, DBNetConfig(min_side=2)).polygons) == 2


def test_a_hole_is_not_a_region_and_text_in_it_is():
    ring = np.zeros((100, 100), np.float32)
    ring[5:95, 5:95] = 1
    ring[15:85, 15:85] = 0
    ring[40:60, 30:70] = 1
    kernels = find_kernels(ring > 0.3)
    assert sorted(np.ptp(kernel, axis=0).tolist() for kernel in kernels) == [[39, 19], [89, 89]]
    assert find_kernels(np.zeros((9, 9), bool)) == []


def test_the_candidate_limit_warns_and_keeps_the_largest():
    values = np.zeros((200, 200), np.float32)
    for row in range(20):
        values[row * 10 : row * 10 + 5, 5:15] = 1
    values[20:26, 50:150] = 1
    detections = decode_map(values, (200, 200), DBNetConfig(max_candidates=8))
    assert len(detections.polygons) == 8
    assert max(np.ptp(polygon[:, 0]) for polygon in detections.polygons) > 90
    assert detections.warnings == [
        "21 text candidates, only the 8 largest were decoded; raise model.max_candidates to decode them all"
    ]


def test_calibration_candidates_start_with_the_present_and_are_distinct():
    for config in (
        DBNetConfig(),
        DBNetConfig(shape=Shape.polygon),
        DBNetConfig(unclip=Unclip.exact, binarize_threshold=0.3),
        DBNetConfig(unclip_ratio=1.9, binarize_threshold=0.25),
    ):
        settings = calibration_candidates(config)
        assert all(set(change) == {"binarize_threshold", "unclip", "unclip_ratio"} for change in settings)
        tried = [dataclasses.replace(config, **change) for change in settings]
        assert not [fault for other in tried for fault in other.validate()]
        assert len(tried) == (21 if config.binarize_threshold == 0.25 else 20)
        # Two settings differ if their threshold or their unclip distance does.
        effects = [(t.binarize_threshold, unclip_distance(200, 120, t)) for t in tried]
        assert len(set(effects)) == len(effects)
        assert effects[0] == (config.binarize_threshold, unclip_distance(200, 120, config))
        authors = dataclasses.replace(config, unclip=Unclip.ratio, unclip_ratio=None)
        assert (0.3, unclip_distance(200, 120, authors)) in effects


def test_threads_decode_the_same_regions():
    maps = [perfect_map(box(40 + i, 20)) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        detections = list(pool.map(lambda m: decode_map(m, SIZE, DBNetConfig()), maps))
    for values, threaded in zip(maps, detections, strict=True):
        np.testing.assert_array_equal(
            decode_map(values, SIZE, DBNetConfig()).polygons[0], threaded.polygons[0]
        )

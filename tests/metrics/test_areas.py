"""Regions of outlines, against pixels counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from helpers.outlines import area, box, enclosed
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.metrics.areas import Regions, mostly_inside, shared_areas

SCALE = 40
"""Samples per unit length."""


def sampled(polygon: np.ndarray) -> np.ndarray:
    """Return which points of a fine grid an outline encloses an odd number of times."""
    x, y = np.meshgrid(*[(np.arange(5 * SCALE) + 0.5) / SCALE] * 2)
    inside = np.zeros_like(x, dtype=bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay <= y) != (by <= y)) & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def outlines(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(0, 5, (rng.integers(3, 8), 2)) for _ in range(2)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32).map(outlines))
def test_areas_of_any_outlines(pair: list[np.ndarray]) -> None:
    a, b = pair
    first, second = Regions.of([a]), Regions.of([b])
    pixels, others = sampled(a), sampled(b)
    assert shapely.area(first.shapes[0]) == pytest.approx(pixels.sum() / SCALE**2, abs=0.3)
    _, _, shared = shared_areas(first, second)
    assert shared.sum() == pytest.approx((pixels & others).sum() / SCALE**2, abs=0.3)
    assert shared.sum() == pytest.approx(enclosed(a, b), abs=1e-6)
    assert first.areas[0] == pytest.approx(area(a), abs=1e-6)


LOOP = np.array([(0, 0), (10, 0), (10, 10), (8, 12), (10, 12), (8, 10), (0, 10)])
TWICE = np.array([*box(0, 0, 10, 10), *box(0, 0, 4, 4)])


@pytest.mark.parametrize(
    ("outline", "expected", "region"),
    [
        (np.array([(0, 0), (10, 10), (10, 0), (0, 10)]), 50, 50),  # all of it cancels out
        (LOOP, 100, 102),  # a small loop that turns the other way
        (TWICE, 116, 84),  # a corner that is gone around twice
        (np.zeros((4, 2)), 0, 0),
    ],
    ids=["figure of eight", "loop", "twice", "point"],
)
def test_the_area_of_an_outline_that_crosses_itself(
    outline: np.ndarray, expected: float, region: float
) -> None:
    regions = Regions.of([outline])
    assert regions.areas.tolist() == [expected]
    assert shapely.area(regions.shapes).tolist() == [region] == [enclosed(outline)]


def test_regions_know_the_places_of_their_outlines() -> None:
    regions = Regions.of([np.zeros((2, 2)), box(0, 0, 1, 1), box(0, 0, np.inf, 1), box(2, 2, 4, 4)])
    assert regions.index.tolist() == [1, 3]
    assert regions.areas.tolist() == [1, 4]
    assert len(Regions.of([])) == 0


def test_mostly_inside_is_strict() -> None:
    found = Regions.of([box(0, 0, 4, 1), box(0, 0, 3, 1)])
    assert mostly_inside(found, Regions.of([box(0, 0, 2, 1)]), 0.5).tolist() == [False, True]

"""Shared areas, held against shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from ocr_trainer_runtime.detection.shared import shared_area, shared_areas


def random_outline(rng: np.random.Generator, points: int) -> np.ndarray:
    """Return a simple outline, often concave: points around a center at random distances."""
    angles = 2 * np.pi * (np.arange(points) + rng.uniform(0, 0.9, points)) / points
    distances = rng.uniform(10, 60, points)[:, None]
    stretch = np.array([rng.uniform(1, 6), 1])
    outline = rng.uniform(0, 100, 2) + distances * stretch * np.stack([np.cos(angles), np.sin(angles)], 1)
    return outline.astype(np.float32)


@pytest.mark.parametrize("points", [4, 5, 12])
def test_shares_are_those_of_shapely(points: int):
    rng = np.random.default_rng(points)
    outlines = [random_outline(rng, points) for _ in range(40)]
    shapes = [shapely.Polygon(outline) for outline in outlines]
    assert all(shape.is_valid for shape in shapes)
    i, j, shares = shared_areas(outlines)
    found = {(a, b): share for a, b, share in zip(i.tolist(), j.tolist(), shares.tolist(), strict=True)}
    for a, one in enumerate(shapes):
        for b, other in enumerate(shapes):
            if a != b:
                smaller = min(one.area, other.area)
                expected = one.intersection(other).area / smaller
                assert abs(found.get((a, b), 0.0) - expected) < 0.04


def test_nothing_meets_nothing():
    i, j, shares = shared_areas([])
    assert (len(i), len(j), len(shares)) == (0, 0, 0)
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=np.float32)
    assert shared_area([square], (5, 5, 5, 9)) == 0
    assert shared_area([square, square + 5], (0, 0, 20, 20)) == pytest.approx(25, abs=3)
    assert len(shared_areas([square, square + 100])[0]) == 0

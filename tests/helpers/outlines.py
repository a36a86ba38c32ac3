"""Outlines for tests of metrics: shapes by hand, shapes for hypothesis, and published submissions."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring.submission import Page, read

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
FIXTURES = DATA / "metric_fixtures"

needs_fixtures = pytest.mark.skipif(
    not FIXTURES.exists(), reason="metric_fixtures is not among the data (OCR_TRAINER_DATA)"
)

ICDAR_2015 = "tiou_icdar2015/gt.zip", "tiou_icdar2015/pixellinkch4.zip"
TOTAL_TEXT = "tiou_curved/total-text-gt.zip", "tiou_curved/total-text_baseline.zip"
CTW1500 = "tiou_curved/ctw1500-gt.zip", "tiou_curved/det_ctw1500.zip"


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float32)


# Whole numbers in a small square: many boxes coincide, touch, or share exactly one half.
boxes: Any = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5), st.integers(1, 5)).map(
        lambda r: box(r[0], r[1], r[0] + r[2], r[1] + r[3])
    ),
    max_size=7,
)

quads: Any = st.lists(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=4, max_size=4).map(np.array),
    max_size=6,
)


def enclosed(*outlines: np.ndarray) -> float:
    """Return the area that each of one or two outlines encloses an odd number of times.

    By strips: between two heights at which a side ends or two sides meet, no sides cross, so an area is the
    height of the strip times the width in its middle.
    """
    sides = [
        [(tuple(a), tuple(b)) for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True)]
        for outline in outlines
    ]
    heights = sorted(
        {float(y) for outline in outlines for y in outline[:, 1]}
        | set(_meetings([s for o in sides for s in o]))
    )
    total = 0.0
    for low, high in itertools.pairwise(heights):
        middle = (low + high) / 2
        runs = [_runs(outline, middle) for outline in sides]
        width = sum(
            max(0.0, min(b[1] for b in both) - max(b[0] for b in both)) for both in (itertools.product(*runs))
        )
        total += (high - low) * width
    return total


def _meetings(sides: list[Any]) -> Iterator[float]:
    for ((ax, ay), (bx, by)), ((cx, cy), (dx, dy)) in itertools.combinations(sides, 2):
        turn = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
        if turn:
            along = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / turn
            if 0 <= along <= 1:
                yield float(ay + along * (by - ay))


def _runs(sides: list[Any], y: float) -> list[tuple[float, float]]:
    """Return from where to where a horizontal line lies inside an outline."""
    places = sorted(
        ax + (y - ay) * (bx - ax) / (by - ay) for (ax, ay), (bx, by) in sides if (ay <= y) != (by <= y)
    )
    return list(zip(places[::2], places[1::2], strict=True))


def area(outline: np.ndarray) -> float:
    """Return the area of an outline as scores take it: the shoelace area, or what a figure of eight encloses."""
    x, y = outline.T.astype(float)
    shoelace = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    inside = enclosed(outline)
    return shoelace if 2 * shoelace > inside else inside


def crossing(seed: int, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return quadrilaterals and curved outlines in a row, and copies of them; many of either cross themselves."""
    rng = np.random.default_rng(seed)
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for place in range(count):
        size = int(rng.choice([2, 4, 7]))
        x = np.linspace(0, 60, size)
        bend = 12 * np.sin(x / 20)
        ring = np.concatenate([np.stack([x, bend], 1), np.stack([x, bend + 14], 1)[::-1]])
        ring += np.array([70 * (place % 8), 60 * (place // 8)])
        for side in sides:
            outline = ring + rng.normal(0, 1.5, ring.shape)
            if rng.random() < 0.6:
                first, second = rng.choice(len(outline), 2, replace=False)
                outline[[first, second]] = outline[[second, first]]
            side.append(outline)
    return sides


def published(truth: str, submission: str) -> Iterator[tuple[Page, list[bool], Page]]:
    """Yield the ground truth, the don't-care flags and the submitted detections of each image."""
    gt, detected = (
        read(FIXTURES / file, DataReport(), None, "", confidence=False).pages for file in (truth, submission)
    )
    for image, page in gt.items():
        yield page, [text == "###" for text in page.texts], detected[image]

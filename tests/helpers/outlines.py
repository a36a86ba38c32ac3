"""Outlines for tests of metrics: shapes by hand, shapes for hypothesis, and published submissions."""

from __future__ import annotations

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


def published(truth: str, submission: str) -> Iterator[tuple[Page, list[bool], Page]]:
    """Yield the ground truth, the don't-care flags and the submitted detections of each image."""
    gt, detected = (
        read(FIXTURES / file, DataReport(), None, "", confidence=False).pages for file in (truth, submission)
    )
    for image, page in gt.items():
        yield page, [text == "###" for text in page.texts], detected[image]

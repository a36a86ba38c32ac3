"""Predictions and ground truths for the suite of metrics.

Imports NumPy, unlike the suites, which import this module only inside tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ocr_trainer.data.types import Detections, GroundTruth, Recognition, TextGroundTruth
from ocr_trainer.plugin import Task

WORDS = ("Total", "12.50", "café", "안녕", "a b", "x")
SIZE = (400, 300)
"""Height and width of the pages, in pixels."""

Pair = tuple[Any, Any]
"""A prediction and its target."""


def perfect(task: Task) -> list[Pair]:
    """Return predictions that are equal to their targets."""
    return [_perfect(task, number) for number in range(6)]


def imperfect(task: Task) -> list[Pair]:
    """Return predictions of which some are right, near, missing or invented."""
    rng = np.random.default_rng(0)
    pairs = [_perfect(task, number) for number in range(8)]
    return [_disturbed_page(*pair, rng) if task is Task.detection else _misread(*pair, rng) for pair in pairs]


def empty(task: Task) -> Iterator[Pair]:
    """Yield an image with nothing in it and nothing predicted, then one side at a time."""
    full, target = _perfect(task, 3)
    if task is Task.recognition:
        nothing, no_text = Recognition("", np.empty(0, np.float32), 0.0), TextGroundTruth("", "empty")
        yield from ((nothing, no_text), (nothing, target), (full, no_text))
        return
    nowhere = Detections([], np.empty(0, np.float32))
    blank = GroundTruth([], [], np.empty(0, dtype=bool), "empty", SIZE, (1.0, 1.0))
    yield from ((nowhere, blank), (nowhere, target), (full, blank))


def _perfect(task: Task, number: int) -> Pair:
    if task is Task.recognition:
        text = WORDS[number % len(WORDS)]
        return _recognition(text), TextGroundTruth(text, f"text {number}")
    boxes = [_box(20, 20 + 60 * row, 30 * len(WORDS[row]), 24) for row in range(1 + number % len(WORDS))]
    texts = list(WORDS[: len(boxes)])
    ignore = np.zeros(len(boxes), dtype=bool)
    target = GroundTruth(boxes, texts, ignore, f"page {number}", SIZE, (1.0, 1.0))
    return Detections([box.copy() for box in boxes], np.full(len(boxes), 0.9, np.float32)), target


def _disturbed_page(found: Detections, target: GroundTruth, rng: np.random.Generator) -> Pair:
    boxes = [box + rng.normal(0, 3, box.shape).astype(np.float32) for box in found.polygons]
    x, y = rng.uniform(0, 200, 2)
    boxes = [*boxes[rng.integers(2) :], _box(x, y, 40, 20)]
    target.ignore[-1:] = rng.random() < 0.5
    return Detections(boxes, rng.random(len(boxes)).astype(np.float32)), target


def _misread(found: Recognition, target: TextGroundTruth, rng: np.random.Generator) -> Pair:
    return _recognition((found.text, found.text.upper(), found.text[1:], "")[rng.integers(4)]), target


def _recognition(text: str) -> Recognition:
    return Recognition(text, np.full(len(text), 0.9, np.float32), 0.9)


def _box(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], dtype=np.float32)

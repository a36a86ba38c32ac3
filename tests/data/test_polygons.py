"""Outlines of every kind, through the readers, the augmentation and the targets: repaired or refused, and told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.readers import FLAT, QUAD, READERS
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_dbnet.plugin import DBNetConfig
from ocr_trainer_dbnet.targets import make_targets

from ocr_trainer.data.types import Sample
from ocr_trainer.formats.annotations import POINT_LIMIT, Labels
from ocr_trainer.plugin import DataReport
from ocr_trainer.tasks.detection.augment import Augmenter
from ocr_trainer.tasks.detection.config import AugmentConfig

SIDE = 32
OUTLINES: dict[str, tuple[list[list[float]], str]] = {
    "clockwise": (QUAD, ""),
    "counterclockwise": (QUAD[::-1], ""),
    "closed": ([*QUAD, QUAD[0]], ""),
    "repeated points": ([point for point in QUAD for _ in range(3)], ""),
    "partly outside": ([[-50, 4], [30, 4], [30, 12], [-50, 12]], ""),
    "bow tie": ([[4, 4], [30, 12], [30, 4], [4, 12]], "the outline crosses itself: kept as don't care"),
    "no points": ([], "0 points are not a polygon"),
    "two points": (QUAD[:2], "2 points are not a polygon"),
    "one point, repeated": ([[4, 4]] * 4, "the outline has no area"),
    "a line": ([[4, 4], [20, 4], [30, 4]], "the outline has no area"),
    "NaN": ([[math.nan, 4], *QUAD[1:]], "the coordinate nan is not a finite number"),
    "infinite": ([[math.inf, 4], *QUAD[1:]], "the coordinate inf is not a finite number"),
    "1e308": ([[1e308, 4], *QUAD[1:]], "the coordinate 1e+308 is not in any image"),
    "left of the image": ([[x - 99, y] for x, y in QUAD], "it lies outside the image, to the left or above"),
    "right of the image": (
        [[x + 99, y] for x, y in QUAD],
        "label 1 lies outside the image of 48 x 32 pixels",
    ),
    "endless": (
        [[x % 999, x // 999] for x in range(POINT_LIMIT + 1)],
        "4,097 points are more than an outline can have",
    ),
}
"""An outline, and what is told of it if anything is."""


def annotation(name: str, points: list[list[float]]) -> bytes:
    """Return the valid annotation of a reader with other points in it."""
    valid, flat = READERS[name].valid.decode(), [value for point in points for value in point]
    for old, new in ((FLAT, flat), (QUAD, points)):
        valid = valid.replace(json.dumps(old), json.dumps(new))
    rows = {",".join(map(str, FLAT)): ",".join(map(str, flat))}
    rows[" ".join(f"{x},{y}" for x, y in QUAD)] = " ".join(f"{x},{y}" for x, y in points)
    for old, new in rows.items():
        valid = valid.replace(old, new)
    return valid.encode()


def through(sample: Sample, seed: int) -> None:
    """Augment a sample in both ways and draw its targets; whatever comes out is finite."""
    for whole_text in (False, True):
        config = AugmentConfig(crop=SIDE, whole_text=whole_text, text_share=1.0, flip=0.5)
        varied = Augmenter(config, lambda height, width: 1.0)(sample, np.random.default_rng(seed))
        assert varied.image.shape == (SIDE, SIDE, 3)
        assert all(np.isfinite(polygon).all() for polygon in varied.polygons)
        targets = make_targets(varied.polygons, varied.ignore, (SIDE, SIDE), DBNetConfig())
        assert all(np.isfinite(target).all() for target in targets.values())


CASES = [
    (name, kind)
    for name in ("jsonl", "paddleocr", "ufo", "totaltext rows", "page_xml", "icdar2015")
    for kind, (points, _) in OUTLINES.items()
    if name != "icdar2015" or len(points) == 4  # it knows no others
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_case_36_an_outline_is_used_or_refused_and_told(tmp_path: Path, name: str, kind: str) -> None:
    reader, (points, reason) = READERS[name], OUTLINES[kind]
    reader.lay(tmp_path)
    samples, data_report = reader.read(tmp_path, annotation(name, points))
    told = [entry.reason for entry in data_report.skipped]
    if reason:
        assert any(reason in one for one in told) or (told and (name, kind) in UNLIKE), told
    if not reason:
        assert not told
        assert not samples[0].ignore[0]
    elif samples and samples[0].polygons:
        assert samples[0].ignore[0] or any(one.endswith("its box is used") for one in told)
    for sample in samples:
        through(sample, 0)


UNLIKE = {
    *((name, "no points") for name in ("totaltext rows", "page_xml", "jsonl")),
    *(("page_xml", kind) for kind in ("one point, repeated",)),
    *(("totaltext rows", kind) for kind in ("two points", "NaN", "infinite", "1e308")),
}
"""Where the format tells it in words of its own."""

coordinates = st.one_of(
    st.floats(-20, 60),
    st.integers(-5, 40),
    st.sampled_from([0.0, SIDE, 1e6, -1e6, 1e308, math.nan, math.inf, 1e-30]),
)
outlines = st.lists(st.tuples(coordinates, coordinates), max_size=12)


@settings(max_examples=300)
@given(st.lists(outlines, max_size=4), st.integers(0, 99))
def test_case_36_any_outlines_are_learned_or_told(found: list[list[tuple[float, float]]], seed: int) -> None:
    labels, data_report = Labels(), DataReport()
    for points in found:
        labels.add(points, "TOTAL", False, data_report, Path("a.txt"), 1)
    kept_yet_told = sum("kept as" in entry.reason for entry in data_report.skipped)
    assert len(labels.polygons) + len(data_report.skipped) - kept_yet_told == len(found) == data_report.labels
    assert kept_yet_told <= sum(labels.ignore)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    through(Sample(image, labels.polygons, labels.texts, np.array(labels.ignore, bool), "a.png"), seed)

"""Long pages as tiles: where they are cut, how what the tiles show is merged, and what a detector finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.dark import DarkRegions
from helpers.outlines import box
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.types import Batch, Detections, Sample
from ocr_trainer.tasks.detection.config import TilesConfig
from ocr_trainer.tasks.detection.data import ScoringCollate, prepare_page
from ocr_trainer.tasks.detection.scoring import decode, images_of, run_network
from ocr_trainer_runtime.detection.tiles import Tiling, merge, plan
from ocr_trainer_runtime.pipeline import detect

CONFIG = TilesConfig()


# Where pages are cut


@settings(deadline=None)
@given(
    st.integers(20, 800),
    st.floats(1, 60),
    st.booleans(),
    st.floats(1, 5),
    st.floats(0.05, 0.5),
)
def test_tiles_cover_a_page_and_overlap(
    short: int, ratio: float, wide: bool, aspect: float, overlap: float
) -> None:
    long = round(short * ratio)
    height, width = (short, long) if wide else (long, short)
    model = DarkRegions(short=64, longest=200)
    tiling = plan(model, height, width, TilesConfig(aspect=aspect, overlap=overlap))
    if tiling is None:
        return
    starts, ends = np.array(tiling.starts), tiling.ends
    assert (starts[0], ends[-1]) == (0, long)
    assert len(starts) >= 2
    assert (ends[:-1] - starts[1:] >= round(overlap * tiling.length) - 1).all()
    assert model.scale(*tiling.tile) > model.scale(height, width)
    image = np.arange(height * width).reshape(height, width)
    for start, tile in zip(tiling.starts, tiling.cut(image), strict=True):
        assert tile.shape == tiling.tile
        assert tile[0, 0] == (start if wide else start * width)


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ((1200, 400), 0),  # as most receipts
        ((1600, 400), 0),
        ((400, 600), 0),
        ((6000, 6000), 0),  # large, but not long
        ((9000, 600), 7),
        ((600, 9000), 7),
        ((40, 250), 0),  # a line of text: long, but not shrunk
    ],
)
def test_only_pages_that_would_be_shrunk_are_cut(size: tuple[int, int], count: int) -> None:
    model = DarkRegions(short=736, longest=2560)  # as DBNet's authors
    tiling = plan(model, *size, CONFIG)
    assert (0 if tiling is None else len(tiling.starts)) == count
    assert plan(model, *size, replace(CONFIG, enabled=False)) is None


def test_a_strip_is_not_enlarged_to_the_size_of_a_page() -> None:
    model = DarkRegions(short=736, longest=2560)
    tiling = plan(model, 100, 9000, CONFIG)
    assert tiling is not None
    assert model.scale(*tiling.tile) <= 1.5


# How detections are merged


def seen(tiling: Tiling, texts: list[np.ndarray], least: float, jitter: float, seed: int) -> list[Detections]:
    """What a detector finds in each tile: what the tile shows of each text, if that is large enough."""
    rng = np.random.default_rng(seed)
    found = []
    for start in tiling.starts:
        parts = []
        for text in texts:
            low, high = text.min(0), text.max(0)
            low, high = low + rng.uniform(-jitter, jitter, 2), high + rng.uniform(-jitter, jitter, 2)
            part = box(*low, *high)
            part[:, tiling.axis] = (part[:, tiling.axis] - start).clip(0, tiling.length)
            if np.ptp(part[:, tiling.axis]) >= least:
                parts.append(part.astype(np.float32))
        rng.shuffle(parts)
        found.append(Detections(parts, rng.uniform(0.5, 1, len(parts)).astype(np.float32)))
    return found


@st.composite
def pages(draw: st.DrawFn) -> tuple[Tiling, list[np.ndarray]]:
    """A page of any height or width, with lines of any length that do not overlap."""
    short, long = draw(st.integers(60, 200)), draw(st.integers(900, 6000))
    wide = draw(st.booleans())
    height, width = (short, long) if wide else (long, short)
    tiling = plan(DarkRegions(short=64, longest=128), height, width, CONFIG)
    if tiling is None:
        tiling = Tiling((height, width), int(not wide), (0, long - 500), 500)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    texts, y = [], 3.0
    while y < height - 14:
        tall, x = rng.uniform(8, 20), 3.0
        while x < width - 20:
            longest = rng.choice([30, 120, 700])  # shorter and longer than the overlap, longer than a tile
            end = min(x + rng.uniform(20, longest), width - 2)
            if end - x >= 12 and rng.random() < 0.8:
                texts.append(box(x, y, end, min(y + tall, height - 1)))
            x = end + rng.uniform(8, 60)
        y += tall + rng.uniform(5, 40)
    return tiling, texts


def iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a.min(0), b.min(0)), np.minimum(a.max(0), b.max(0))
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / (np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0)) - shared))


@settings(deadline=None, max_examples=40)
@given(pages(), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_every_text_is_found_once_and_whole(
    page: tuple[Tiling, list[np.ndarray]], jitter: float, seed: int
) -> None:
    tiling, texts = page
    merged = merge(tiling, seen(tiling, texts, least=4, jitter=jitter, seed=seed), border=2)
    assert len(merged.polygons) == len(merged.scores) == len(texts)
    for text in texts:
        found = [iou(text, polygon) > 0.6 for polygon in merged.polygons]
        assert found.count(True) == 1


def test_what_only_one_of_two_tiles_finds_is_kept() -> None:
    tiling = Tiling((200, 50), 1, (0, 80), 120)
    text = box(5, 90, 40, 100)
    for place in (0, 1):
        found = [Detections([], np.zeros(0, np.float32)) for _ in range(2)]
        found[place] = Detections([text - np.float32([0, tiling.starts[place]])], np.ones(1, np.float32))
        assert [polygon.tolist() for polygon in merge(tiling, found, 2).polygons] == [text.tolist()]


def test_a_line_and_the_words_that_another_tile_sees_instead_are_not_both_found() -> None:
    tiling = Tiling((200, 50), 1, (0, 80), 120)
    line, words = box(5, 85, 45, 95), [box(5, 85, 22, 95), box(26, 85, 45, 95)]
    found = [
        Detections([line], np.ones(1, np.float32)),
        Detections([w - np.float32([0, 80]) for w in words], np.ones(2, np.float32)),
    ]
    assert [polygon.tolist() for polygon in merge(tiling, found, 2).polygons] == [line.tolist()]


def test_warnings_of_tiles_are_kept_once() -> None:
    tiling = Tiling((200, 50), 1, (0, 80), 120)
    found = [Detections([], np.zeros(0, np.float32), ["too many"]) for _ in range(2)]
    merged = merge(tiling, found, 2)
    assert (merged.polygons, merged.warnings) == ([], ["too many"])


# What a detector finds


def receipt(rows: int, width: int = 200, pitch: int = 40) -> tuple[np.ndarray, list[np.ndarray]]:
    """A page of dark bars, one for each row."""
    image = np.full((rows * pitch, width, 3), 255, np.uint8)
    boxes = []
    for row in range(rows):
        left, top, right = 10 + 7 * (row % 5), row * pitch + 11, width - 15 - 11 * (row % 4)
        image[top : top + 18, left:right] = 20
        boxes.append(box(left, top, right, top + 18))
    return image, boxes


@pytest.mark.parametrize("rows", [10, 21, 30, 47, 100, 233])
@pytest.mark.parametrize("turned", [False, True])
def test_every_row_of_a_receipt_is_found_however_long_it_is(rows: int, turned: bool) -> None:
    image, boxes = receipt(rows)
    if turned:
        image, boxes = np.ascontiguousarray(image.swapaxes(0, 1)), [polygon[:, ::-1] for polygon in boxes]
    model = DarkRegions().eval()
    found = detect(model, image)
    assert len(found.polygons) == rows
    table = np.array([[iou(wanted, polygon) for polygon in found.polygons] for wanted in boxes])
    assert (table.max(axis=0) > 0.6).all()
    assert (table.max(axis=1) > 0.6).all()
    if rows >= 30:
        # Without tiles, the page is shrunk until nothing is found.
        whole = detect(model, image, TilesConfig(enabled=False))
        assert len(whole.polygons) < rows or rows == 30
        largest = max(np.prod(shape) for shape in model.seen[:-1])
        assert largest <= 3 * 128 * 352  # the network never sees more than one tile


@pytest.mark.parametrize("rows", [8, 47, 100])
def test_the_test_finds_what_predict_finds(rows: int) -> None:
    image, boxes = receipt(rows)
    model = DarkRegions().eval()
    pages = [(image, boxes), receipt(5)]
    samples = [Sample(i, b, [""] * len(b), np.zeros(len(b), bool), "here") for i, b in pages]
    batch: Batch = ScoringCollate(32)([(*prepare_page(sample, model, CONFIG), []) for sample in samples])
    with torch.inference_mode():
        outputs = run_network(model, batch)
    parts = images_of(outputs, batch.ground_truths)
    for part, truth, sample in zip(parts, batch.ground_truths, samples, strict=True):
        ours, theirs = decode(model, part, truth), detect(model, sample.image)
        assert [p.tolist() for p in ours.polygons] == [p.tolist() for p in theirs.polygons]
        assert len(ours.polygons) == len(sample.polygons)


def test_a_page_that_is_not_cut_is_scored_as_ever() -> None:
    image, boxes = receipt(8)
    model = DarkRegions().eval()
    sample = Sample(image, boxes, [""] * 8, np.zeros(8, bool), "here")
    prepared, truth = prepare_page(sample, model, CONFIG)
    off, same = prepare_page(sample, model, replace(CONFIG, enabled=False))
    assert (prepared == off).all()
    assert (truth.tiling, truth.size, truth.scale) == (None, same.size, same.scale)

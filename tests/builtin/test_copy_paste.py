"""Copy-paste: what is pasted lies where its polygon says, and covers no other text."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon as Shape

from ocr_trainer.builtin.augment.copy_paste import CopyPaste, cut, free_place
from ocr_trainer.builtin.augment.plugin import CopyPasteConfig
from ocr_trainer.data.types import Sample
from ocr_trainer.data.view import View
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.testing import AugmentationSuite


class TestCopyPaste(AugmentationSuite):
    name = "copy_paste"
    overrides = ("augment.steps.copy_paste.probability=1",)


def augmentation(samples: Sequence[Sample] = (), **options: object) -> CopyPaste:
    made = CopyPaste(CopyPasteConfig(probability=1.0, **options), Context(task=Task.detection))
    made.samples = samples
    return made


def page(seed: int, texts: int = 5, ink: int = 0) -> Sample:
    """White, with turned boxes of one gray that do not touch each other; the last one is "don't care"."""
    rng = np.random.default_rng(seed)
    image, quads = np.full((300, 400, 3), 255, np.uint8), []
    for place in range(texts):
        center = (60 + 130 * (place % 3), 60 + 90 * (place // 3))
        size = tuple(rng.uniform([20, 8], [50, 24]))
        quads.append(cv2.boxPoints((center, size, rng.uniform(0, 90))).astype(np.float32))
        cv2.fillPoly(image, [np.rint(quads[-1]).astype(np.int32)], (ink,) * 3)
    flags = np.arange(texts) == texts - 1
    return Sample(image, quads, [f"{seed}:{place}" for place in range(texts)], flags, f"page {seed}")


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), other=st.booleans())
def test_each_pasted_text_is_seen_where_its_polygon_lies_and_nowhere_else(seed: int, other: bool):
    sample, more = page(seed), page(seed + 1)
    augment = augmentation([more], other_page=float(other), match_light=False, max_texts=6)
    view = augment(View.of(sample), np.random.default_rng(seed))
    assert view.fault() is None
    assert view.texts[:5] == sample.texts
    assert view.ignore.tolist() == [*sample.ignore, *[False] * (len(view.texts) - 5)]
    donor = more if other else sample
    changed = (view.image != sample.image).any(axis=2)
    allowed = np.zeros(changed.shape, np.uint8)
    for polygon, text in zip(view.polygons[5:], view.texts[5:], strict=True):
        original = donor.polygons[donor.texts.index(text)]
        ratio = np.sqrt(Shape(polygon).area / Shape(original).area)
        assert 0.6 < ratio < 1.5
        mask = cv2.fillPoly(np.zeros(changed.shape, np.uint8), [np.rint(polygon).astype(np.int32)], 1)
        core = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
        assert view.image[core].max(initial=0) < 100, "the ink fills the polygon"
        allowed |= cv2.dilate(mask, np.ones((15, 15), np.uint8))
    assert not changed[allowed == 0].any()
    for first in range(5, len(view.polygons)):
        for second in range(first):
            assert not Shape(view.polygons[first]).intersects(Shape(view.polygons[second]))


def test_other_pages_are_drawn_from_evenly_and_one_that_cannot_be_read_is_passed_over():
    class Pages(list[Sample]):
        def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
            if index == 1:
                raise DataError("the image is damaged")
            return super().__getitem__(index)

    pages = Pages(page(seed) for seed in (10, 11, 12))
    augment, found = augmentation(pages, other_page=1.0, max_texts=1), []
    for seed in range(60):
        view = augment(View.of(page(0)), np.random.default_rng(seed))
        found += [text.partition(":")[0] for text in view.texts[5:]]
    counts = {name: found.count(name) for name in set(found)}
    assert counts.keys() == {"10", "12", "0"}, "the damaged page gives way to the page itself"
    assert min(counts.values()) >= 10


def test_the_light_of_a_text_is_matched_to_the_place():
    bright, dark = page(1, ink=120), page(2, texts=0)
    dark.image[:] = 180
    augment = augmentation([bright], other_page=1.0, scale=[1.0, 1.0], max_texts=1)
    plain = augmentation([bright], other_page=1.0, scale=[1.0, 1.0], max_texts=1, match_light=False)
    matched, unmatched = (a(View.of(dark), np.random.default_rng(3)).image for a in (augment, plain))
    # What surrounds the ink within the polygon's border is as bright as the place.
    assert matched.max() == 180
    assert unmatched.max() > 200 or unmatched.min() == 120


def test_probability_is_kept_and_nothing_changes_without_texts():
    augment = CopyPaste(CopyPasteConfig(probability=0.3, other_page=0.0), Context(task=Task.detection))
    changed = [len(augment(View.of(page(0)), np.random.default_rng((7, s))).texts) > 5 for s in range(300)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.07)
    empty = augmentation()(View.of(page(0, texts=0)), np.random.default_rng(0))
    assert (empty.image == 255).all()


def test_texts_at_the_border_and_tiny_ones_are_not_cut():
    image = np.zeros((50, 80, 3), np.uint8)
    box = np.array([[0, 0], [30, 0], [30, 10], [0, 10]], np.float32)
    assert cut(image, box, 1.0) is None
    assert cut(image, box + 60, 1.0) is None
    assert cut(image, box + 10, 0.2) is None
    patch, polygon = cut(image, box + 10, 2.0) or pytest.fail("the text is inside")
    assert patch.shape == (26, 66, 3)
    np.testing.assert_allclose(np.ptp(polygon, axis=0), [60, 20])


@given(seed=st.integers(0, 1000), boxes=st.lists(st.tuples(st.floats(0, 90), st.floats(0, 90)), max_size=12))
def test_a_free_place_meets_no_box(seed: int, boxes: list[tuple[float, float]]):
    image, patch = np.zeros((100, 100, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)
    taken = [np.array([[x, y], [x + 10, y + 10]]) for x, y in boxes]
    corner = free_place(image, patch, taken, np.random.default_rng(seed))
    if corner is None:
        assert boxes
        return
    assert 0 <= corner[0] <= 70
    assert 0 <= corner[1] <= 80
    for low, high in taken:
        apart = (corner >= high + 2) | (corner + np.array([30, 20]) <= low - 2)
        assert apart.any()
    assert free_place(image, np.zeros((101, 5, 3), np.uint8), [], np.random.default_rng(0)) is None

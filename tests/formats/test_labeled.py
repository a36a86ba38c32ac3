"""Labels in compact arrays are the labels that went in."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.labeled import LabeledImages, PackedLabels, PackedStrings

COORDINATES = st.floats(-1e6, 1e6, width=32)
POLYGONS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9).map(
    lambda points: np.array(points, np.float32)
)
# A lone surrogate is what JSON may hold.
TEXTS = st.text(st.characters(codec=None), max_size=8)
LABELS = st.builds(
    lambda rows, size: Labels(
        [p for p, _, _ in rows], [t for _, t, _ in rows], [i for _, _, i in rows], size
    ),
    st.lists(st.tuples(POLYGONS, TEXTS, st.booleans()), max_size=5),
    st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
)


@given(st.lists(LABELS, max_size=6))
def test_what_is_packed_comes_out_again(images: list[Labels]):
    packed = PackedLabels()
    for labels in images:
        packed.append(labels)
    for number, labels in enumerate(images):
        found = packed[number]
        assert (found.texts, found.ignore, found.size) == (labels.texts, labels.ignore, labels.size)
        assert all(np.array_equal(a, b) for a, b in zip(found.polygons, labels.polygons, strict=True))


@given(st.lists(TEXTS))
def test_strings_are_a_sequence(texts: list[str]):
    strings = PackedStrings()
    for text in texts:
        strings.append(text)
    assert list(strings) == texts
    assert [strings[index - len(texts)] for index in range(len(texts))] == texts
    for beyond in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError):
            strings[beyond]


def split(count: int) -> LabeledImages:
    square = np.array([[0, 0], [9, 0], [9, 9]], np.float32)
    return LabeledImages((Path(f"{n}.png"), Labels([square + n], [str(n)], [False])) for n in range(count))


def test_some_share_the_labels_with_all():
    every = split(7)
    odd = every.subset([5, 3, 1])
    assert [path.name for path in odd.files] == ["5.png", "3.png", "1.png"]
    assert [odd.labels(n).texts for n in range(3)] == [["5"], ["3"], ["1"]]
    assert [path.name for path in odd.subset([2, 0]).files] == ["1.png", "5.png"]
    assert odd.files[1:] == [Path("3.png"), Path("1.png")]
    assert odd._labels is every._labels


def test_a_sample_s_labels_are_its_own():
    every = split(1)
    every.labels(0).polygons[0][:] = -1
    assert every.labels(0).polygons[0].max() == 9


def test_a_word_costs_tens_of_bytes():
    quad = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
    page = Labels([quad] * 50, ["receipt"] * 50, [False] * 50)
    images = LabeledImages((Path(f"{n}.png"), page) for n in range(200))
    # What a worker that is started, not forked, is sent: everything there is.
    assert len(pickle.dumps(images)) < 80 * 200 * 50
    assert sys.getsizeof(images) < 100

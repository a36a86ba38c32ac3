import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ocr_trainer.plugin.options import CtcConfig
from ocr_trainer.tasks.recognition.ctc import CtcRecognizer
from ocr_trainer_runtime.recognition.ctc import align, greedy, prefix_beam

ALL = 1000
"""A beam that no prefix falls out of here: three characters and four steps have 121 prefixes at most."""


class Steps(CtcRecognizer):
    """A network that does nothing."""

    def steps(self, width: int) -> int:
        return width // 4

    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        return {"logits": images.float(), "steps": widths}


@st.composite
def tables(draw, max_steps=4, flattest=0.0):
    """Log probabilities, (steps, classes), of few steps and characters."""
    steps, classes = draw(st.integers(1, max_steps)), draw(st.integers(2, 4))
    sharpness = draw(st.sampled_from([flattest, 0.5, 2.0, 8.0]))
    logits = sharpness * np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=(steps, classes))
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def read(path):
    """The definition of a path's text, character by character."""
    codes, before = [], 0
    for step in path:
        if step not in (0, before):
            codes.append(int(step) - 1)
        before = step
    return tuple(codes)


def texts(log_probs):
    """What each text's paths are, and their log probabilities, by going through all paths."""
    found = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        probability = sum(log_probs[step, choice] for step, choice in enumerate(path))
        found.setdefault(read(path), []).append((probability, path))
    return found


def total(paths):
    return sum(np.exp(probability) for probability, _ in paths)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_greedy_reads_the_likeliest_path(log_probs):
    codes, confidences, score = greedy(log_probs)
    every = [entry for paths in texts(log_probs).values() for entry in paths]
    probability, path = max(every)
    assert score == pytest.approx(np.exp(probability))
    if sorted(every)[-2:-1] and probability - sorted(every)[-2][0] > 1e-9:
        assert tuple(codes) == read(path)
    assert confidences.shape == codes.shape
    assert confidences.dtype == np.float32
    assert ((confidences > 0) & (confidences <= 1)).all()


@given(tables())
@settings(max_examples=60, deadline=None)
def test_a_beam_that_keeps_all_finds_the_likeliest_text(log_probs):
    codes, confidences, score = prefix_beam(log_probs, ALL)
    sums = {text: total(paths) for text, paths in texts(log_probs).items()}
    assert score == pytest.approx(max(sums.values()))
    assert sums[tuple(codes)] == pytest.approx(score)
    assert confidences.shape == codes.shape
    assert ((confidences > 0) & (confidences <= 1)).all()


@given(tables(max_steps=5, flattest=0.1), st.integers(1, 5))  # of equals, each search keeps its own
@settings(max_examples=100, deadline=None)
def test_a_beam_is_what_a_plain_search_without_pruning_keeps(log_probs, beam):
    """Few classes are looked at for each prefix, but none of those that matter is missed."""
    kept = {(): (1.0, 0.0)}
    for row in np.exp(log_probs):
        grown = {}
        for prefix, (blank, other) in kept.items():
            for class_, p in enumerate(row):
                if class_ == 0:
                    additions = [(prefix, (blank + other) * p, 0)]
                elif prefix and class_ - 1 == prefix[-1]:
                    additions = [(prefix, 0, other * p), ((*prefix, class_ - 1), 0, blank * p)]
                else:
                    additions = [((*prefix, class_ - 1), 0, (blank + other) * p)]
                for longer, in_blank, in_class in additions:
                    before = grown.get(longer, (0, 0))
                    grown[longer] = (before[0] + in_blank, before[1] + in_class)
        kept = dict(sorted(grown.items(), key=lambda item: -sum(item[1]))[:beam])
    text, probabilities = max(kept.items(), key=lambda item: sum(item[1]))
    codes, _, score = prefix_beam(log_probs, beam)
    assert score == pytest.approx(sum(probabilities))
    others = [sum(p) for other, p in kept.items() if other != text]
    if sum(probabilities) - max(others, default=0) > 1e-9:
        assert tuple(codes) == text


@given(tables())
@settings(max_examples=60, deadline=None)
def test_a_text_is_aligned_with_its_likeliest_path(log_probs):
    for text, paths in texts(log_probs).items():
        path = align(log_probs, np.array(text, dtype=np.int64))
        assert read(path) == text
        assert log_probs[np.arange(len(path)), path].sum() == pytest.approx(max(paths)[0])


def test_a_text_of_many_paths_beats_the_likeliest_path():
    """The example of the literature: the blank is the likeliest at each step, "a" has three paths."""
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])
    assert list(greedy(log_probs)[0]) == []
    assert greedy(log_probs)[2] == pytest.approx(0.36)
    codes, confidences, score = prefix_beam(log_probs, 2)
    assert list(codes) == [0]
    assert confidences == pytest.approx([0.4])
    assert score == pytest.approx(0.64)


def test_of_many_classes_few_are_looked_at_and_repeats_need_a_blank():
    log_probs = np.full((5, 11_173), -30.0)
    for step, class_ in enumerate([7, 7, 0, 7, 9]):
        log_probs[step, class_] = -0.1
    for codes, confidences, score in (greedy(log_probs), prefix_beam(log_probs, 10)):
        assert list(codes) == [6, 6, 8]
        assert confidences == pytest.approx(np.exp([-0.1] * 3))
        assert score == pytest.approx(np.exp(-0.5))


def test_what_is_certain_is_one_and_not_more():
    log_probs = np.full((3, 2), -np.inf)
    log_probs[:, 1] = 1e-7  # what float32 makes of the logarithm of a sum
    for _, confidences, score in (greedy(log_probs), prefix_beam(log_probs, 3)):
        assert confidences.tolist() == [1]
        assert score == 1


@pytest.mark.parametrize("beam", [1, 4])
def test_readings_heed_their_own_steps_and_may_be_empty(beam):
    model = Steps(CtcConfig(beam=beam), "añ한 ")
    logits = torch.full((4, 6, 5), -20.0)
    for image, path in enumerate(
        [[1, 1, 0, 1, 2, 2], [3, 4, 3, 2, 2, 2], [0, 0, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]]
    ):
        logits[image, range(6), path] = 20.0
    recognitions = model.decode({"logits": logits, "steps": torch.tensor([6, 3, 6, 0])})
    assert [reading.text for reading in recognitions] == ["aañ", "한 한", "", ""]
    assert [reading.score for reading in recognitions] == pytest.approx([1] * 4)
    for reading in recognitions:
        assert reading.scores.dtype == np.float32
        assert reading.scores.shape == (len(reading.text),)
        assert isinstance(reading.score, float)


def test_the_loss_is_the_mean_over_texts_of_the_negative_log_probability_per_character():
    model = Steps(CtcConfig(), "ab")
    logits = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    words, steps = [(0,), (1, 0), (0, 0)], [4, 3, 4]
    targets = {"codes": torch.tensor([[0, 0], [1, 0], [0, 0]]), "lengths": torch.tensor([1, 2, 2])}
    parts = model.loss({"logits": logits, "steps": torch.tensor(steps)}, targets)
    tables = logits.log_softmax(-1).numpy()
    expected = np.mean(
        [
            -np.log(total(texts(table[:n])[word])) / len(word)
            for table, n, word in zip(tables, steps, words, strict=True)
        ]
    )
    assert set(parts) == {"ctc"}
    assert parts["ctc"].item() == pytest.approx(expected, rel=1e-5)


def test_a_text_that_does_not_fit_counts_nothing_and_is_told_beforehand():
    model = Steps(CtcConfig(), "ab")
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    targets = {"codes": torch.tensor([[0, 0]]), "lengths": torch.tensor([2])}
    loss = model.loss({"logits": logits, "steps": torch.tensor([2])}, targets)["ctc"]
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
    assert model.fault(2, 1, 8) == (
        "the text of 2 characters and 1 of them doubled needs 3 steps, but the image of 8 x 32 pixels has 2"
    )
    assert (
        model.fault(3, 0, 8) == "the text of 3 characters needs 3 steps, but the image of 8 x 32 pixels has 2"
    )
    assert model.fault(2, 0, 8) is None


def test_the_loss_is_float32_under_autocast():
    model = Steps(CtcConfig(), "ab")
    outputs = {"logits": torch.randn(1, 4, 3).bfloat16(), "steps": torch.tensor([4])}
    targets = {"codes": torch.tensor([[0, 1]]), "lengths": torch.tensor([2])}
    with torch.autocast("cpu", torch.bfloat16):
        assert model.loss(outputs, targets)["ctc"].dtype == torch.float32


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 200), (32, 100)),
        ((10, 1), (32, 16)),
        ((1, 1), (32, 32)),
        ((20, 5000), (32, 2048)),
        ((1, 9000), (32, 2048)),
    ],
)
def test_images_keep_their_proportions_within_limits(size, expected):
    assert Steps(CtcConfig(), "ab").size(*size) == expected

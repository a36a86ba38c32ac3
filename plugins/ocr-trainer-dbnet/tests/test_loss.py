import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_dbnet.loss import balanced_cross_entropy, dice_loss, masked_l1_loss
from ocr_trainer_dbnet.network import differentiable_step


def maps(seed, text=0.2, masked=0.1):
    rng = np.random.default_rng(seed)
    shape = (2, 8, 12)
    target = (rng.random(shape) < text).astype(np.float32)
    mask = (rng.random(shape) >= masked).astype(np.float32)
    return rng.normal(0, 3, shape).astype(np.float32), target, mask


def entropy_by_hand(logits, target, mask, ratio):
    """Pixel by pixel, over the whole batch."""
    positive, negative = [], []
    for logit, is_text, counts in zip(logits.ravel(), target.ravel(), mask.ravel(), strict=True):
        p = 1 / (1 + np.exp(-np.float64(logit)))
        if counts:
            (positive if is_text else negative).append(-np.log(p if is_text else 1 - p))
    hard = sorted(negative, reverse=True)[: int(len(positive) * ratio)]
    return (sum(positive) + sum(hard)) / (len(positive) + len(hard) + 1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.6), st.sampled_from([1.0, 3.0, 2.5]))
def test_cross_entropy_twin(seed, text, ratio):
    logits, target, mask = maps(seed, text)
    if (target * mask).sum() == 0:
        return
    made = balanced_cross_entropy(*map(torch.from_numpy, (logits, target, mask)), ratio)
    assert made.item() == pytest.approx(entropy_by_hand(logits, target, mask, ratio), rel=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_dice_and_l1_twins(seed):
    logits, target, mask = maps(seed)
    p = 1 / (1 + np.exp(-logits))
    both = sum(a * b * m for a, b, m in zip(p.flat, target.flat, mask.flat, strict=True))
    size = sum((a + b) * m for a, b, m in zip(p.flat, target.flat, mask.flat, strict=True))
    tensors = [torch.from_numpy(a) for a in (p, target, mask)]
    assert dice_loss(*tensors).item() == pytest.approx(1 - 2 * both / (size + 1e-6), rel=1e-4)
    away = [abs(a - b) for a, b, m in zip(p.flat, target.flat, mask.flat, strict=True) if m]
    assert masked_l1_loss(*tensors).item() == pytest.approx(np.mean(away), rel=1e-4)


def test_mining_takes_the_hardest_of_the_whole_batch_and_nothing_else():
    """Only text and the 3 : 1 hardest background pixels get a gradient; they may lie in one image."""
    target, mask = torch.zeros(2, 10, 10), torch.ones(2, 10, 10)
    target[0, 0, :4] = 1
    mask[1, 9] = 0
    logits = torch.full((2, 10, 10), -6.0)
    logits[1, 3:5, :6] = 4.0  # the twelve hardest, all in the image without text
    logits[1, 9] = 9.0  # harder still, but masked out
    logits.requires_grad_()
    balanced_cross_entropy(logits, target, mask, 3.0).backward()
    learned = logits.grad != 0
    expected = target.bool().clone()
    expected[1, 3:5, :6] = True
    assert torch.equal(learned, expected)


def test_a_batch_without_text_teaches_that_there_is_none():
    logits = torch.zeros(2, 20, 20, requires_grad=True)
    nothing, mask = torch.zeros(2, 20, 20), torch.ones(2, 20, 20)
    entropy = balanced_cross_entropy(logits, nothing, mask, 3.0)
    entropy.backward()
    assert entropy.item() == pytest.approx(np.log(2), rel=1e-4)
    assert int((logits.grad > 0).sum()) == 8  # a hundredth of the background, pushed down
    assert not (logits.grad < 0).any()
    assert torch.isfinite(dice_loss(logits.sigmoid(), nothing, mask))


def test_a_batch_that_is_masked_out_is_finite_and_teaches_nothing():
    logits = torch.randn(1, 8, 8, requires_grad=True)
    target, mask = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    parts = [
        balanced_cross_entropy(logits, target, mask, 3.0),
        dice_loss(logits.sigmoid(), target, mask),
        masked_l1_loss(logits.sigmoid(), target, mask),
    ]
    sum(parts).backward()
    assert [part.item() for part in parts] == pytest.approx([0, 1, 0])
    assert not logits.grad.any()


def test_saturated_mistakes_still_have_a_gradient():
    logits = torch.full((1, 4, 4), 200.0, requires_grad=True)
    balanced_cross_entropy(logits, torch.zeros(1, 4, 4), torch.ones(1, 4, 4), 3.0).backward()
    assert logits.grad.max() > 0.5


@pytest.mark.parametrize(
    ("p", "t", "expected"), [(0.5, 0.3, 0.9999546), (0.3, 0.5, 4.5398e-5), (0.52, 0.5, 0.7310586)]
)
def test_golden_step(p, t, expected):
    made = differentiable_step(torch.tensor(p), torch.tensor(t), 50)
    assert made.item() == pytest.approx(expected, rel=1e-4)

"""WSD against values by hand, torch's schedulers, and its own definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ocr_trainer.optim.wsd import SHAPES, wsd_factor

GOLDEN = {
    "linear": [1, 0.775, 0.55, 0.325, 0.1],
    "cosine": [1, 0.8681980515339464, 0.55, 0.23180194846605363, 0.1],
    "sqrt": [1, 0.55, 0.3636038969321072, 0.22057713659400522, 0.1],
}
"""The decay over 4 steps to 0.1: 0.1 + 0.9 * (1 - t), (1 + cos(pi t)) / 2 and 1 - sqrt(t), at t = k / 4."""


@pytest.mark.parametrize("shape", GOLDEN)
def test_golden_values(shape: str):
    curve = [wsd_factor(step, 20, 0.15, 0.2, shape, 0.1) for step in range(21)]
    assert curve[:3] == [0.25, 0.5, 0.75]
    assert curve[3:17] == [1.0] * 14
    assert curve[16:] == pytest.approx(GOLDEN[shape])


def test_the_linear_one_is_torchs_linear_schedules_in_sequence():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = torch.optim.lr_scheduler
    reference = schedulers.SequentialLR(
        optimizer,
        [
            schedulers.LinearLR(optimizer, 1 / 11, 1.0, total_iters=10),
            schedulers.LinearLR(optimizer, 1.0, 0.2, total_iters=30),
        ],
        milestones=[10],
    )
    ours = [wsd_factor(step, 100, 0.1, 0.3, "linear", 0.2) for step in range(100)]
    rates = []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert ours[:10] == pytest.approx(rates[:10])
    assert ours[10:70] == [1.0] * 60
    assert ours[70:100] == pytest.approx(rates[10:40])


@given(
    st.integers(1, 500),
    st.floats(0, 0.99),
    st.floats(0, 1),
    st.sampled_from(sorted(SHAPES)),
    st.floats(0, 1),
)
def test_it_rises_stays_and_decays(steps: int, warmup: float, decay: float, shape: str, final: float):
    curve = [wsd_factor(step, steps, warmup, decay, shape, final) for step in range(steps + 1)]
    rising = round(warmup * steps)
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in curve)
    assert curve[: rising + 1] == sorted(curve[: rising + 1])
    assert curve[rising] == 1.0
    assert curve[rising:] == sorted(curve[rising:], reverse=True)
    # Half a step of each share is lost or won by rounding.
    assert curve.count(1.0) >= math.floor(steps * (1 - warmup - decay))
    if decay * steps > 0.5 and rising < steps:
        assert curve[-1] == pytest.approx(final)

"""WSD against values by hand, torch's schedulers, and its own definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ocr_trainer.builtin.optim.plugin import Decay, WSDConfig
from ocr_trainer.builtin.optim.schedules import wsd
from ocr_trainer.plugin import Context, Task

GOLDEN = {
    Decay.linear: [1, 0.775, 0.55, 0.325, 0.1],
    Decay.cosine: [1, 0.8681980515339464, 0.55, 0.23180194846605363, 0.1],
    Decay.sqrt: [1, 0.55, 0.3636038969321072, 0.22057713659400522, 0.1],
}
"""The decay over 4 steps to 0.1: 0.1 + 0.9 * (1 - t), (1 + cos(pi t)) / 2 and 1 - sqrt(t), at t = k / 4."""


def curve(steps: int, **options: Any) -> list[float]:
    schedule = wsd(WSDConfig(**options), Context(task=Task.detection))
    return [schedule(step, steps) for step in range(steps + 1)]


@pytest.mark.parametrize("shape", GOLDEN)
def test_golden_values(shape: Decay):
    values = curve(20, warmup=0.15, decay=0.2, shape=shape, final=0.1)
    assert values[:3] == [0.25, 0.5, 0.75]
    assert values[3:16] == [1.0] * 13
    assert values[16:] == pytest.approx(GOLDEN[shape])


def test_the_linear_one_is_torchs_linear_schedules_in_sequence():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = torch.optim.lr_scheduler
    parts = [
        schedulers.LinearLR(optimizer, 1 / 11, 1.0, total_iters=10),
        schedulers.ConstantLR(optimizer, 1.0, total_iters=60),
        schedulers.LinearLR(optimizer, 1.0, 0.2, total_iters=30),
    ]
    reference = schedulers.SequentialLR(optimizer, parts, milestones=[10, 70])
    for value in curve(100, warmup=0.1, decay=0.3, shape=Decay.linear, final=0.2)[:-1]:
        assert value == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


@given(st.integers(1, 500), st.floats(0, 0.99), st.floats(0.01, 1), st.sampled_from(Decay), st.floats(0, 1))
def test_it_rises_stays_and_decays(steps: int, warmup: float, decay: float, shape: Decay, final: float):
    decay = min(decay, 1 - warmup)
    values = curve(steps, warmup=warmup, decay=decay, shape=shape, final=final)
    rising = round(warmup * steps)
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in values)
    assert values[: rising + 1] == sorted(values[: rising + 1])
    assert values[rising:] == sorted(values[rising:], reverse=True)
    # Rounding moves both ends of the stable part by less than a step.
    assert values.count(1.0) >= math.floor(steps * (1 - warmup - decay)) - 1
    if rising < steps:
        assert values[-1] == pytest.approx(final)


def test_warmup_and_decay_fit_into_the_run():
    assert list(WSDConfig(warmup=0.3, decay=0.8).validate()) == [
        "warmup=0.3 and decay=0.8 are more than the whole run"
    ]
    assert list(WSDConfig(warmup=0.2, decay=0.8).validate()) == []

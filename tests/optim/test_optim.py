"""Optimizers and schedules, against torch's own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import EmaConfig
from ocr_trainer.optim.ema import WeightEma
from ocr_trainer.optim.optimizer import make_optimizer
from ocr_trainer.optim.schedule import Schedule, make_scheduler
from ocr_trainer.plugin import Context, Kind, ScheduleConfig, Task, discovery
from ocr_trainer.plugin.build import build

CONTEXT = Context(task=Task.detection)
RUN = compose(["model=dbnet", "dataset=synthetic", "logger=[]"])


def options_of(name: str, **options: Any) -> ScheduleConfig:
    return discovery.load(Kind.schedule, name).config(name=name, **options)


def schedule(name: str, **options: Any) -> Schedule:
    return build(Kind.schedule, options_of(name, **options), CONTEXT)


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("decay_norms", [False, True])
def test_each_parameter_is_optimised_once_and_norms_decay_by_choice(name: str, decay_norms: bool):
    model = small()
    options = discovery.load(Kind.optimizer, name).config
    config = options(name=name, lr=0.1, weight_decay=0.3, decay_norms=decay_norms)
    optimizer = make_optimizer(model, replace(RUN, optimizer=config), CONTEXT)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert (
        len(decays) == len(list(model.parameters())) == sum(len(g["params"]) for g in optimizer.param_groups)
    )
    for parameter in model.parameters():
        assert decays[id(parameter)] == (0.3 if parameter.ndim > 1 or decay_norms else 0.0)
    assert type(optimizer).__name__.lower() == name


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_cosine_without_warmup_is_torchs(steps: int):
    factor = schedule("cosine", warmup=0.0, final=0.1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=0.1)
    for step in range(steps):
        assert factor(step, steps) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_poly_without_warmup_is_torchs():
    factor = schedule("poly", warmup=0.0, power=0.9)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=50, power=0.9)
    for step in range(50):
        assert factor(step, 50) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


@given(
    st.sampled_from(["constant", "poly", "cosine", "one_cycle"]),
    st.integers(1, 500),
    st.floats(0, 0.99),
    st.floats(0, 1),
    st.floats(0.1, 4),
)
def test_every_schedule_rises_to_one_then_never_rises(name, steps, warmup, final, power):
    own = {"constant": {}, "poly": {"power": power}}.get(name, {"final": final})
    factor = schedule(name, warmup=warmup, **own)
    curve = [factor(step, steps) for step in range(steps + 1)]
    top = round(warmup * steps)
    assert all(0 <= value <= 1 for value in curve)
    assert curve[: top + 1] == sorted(curve[: top + 1])
    assert curve[top] == 1.0
    assert curve[top:] == sorted(curve[top:], reverse=True)


@pytest.mark.parametrize(
    ("name", "note"), [("cosine", "this run has no last step, which schedule=cosine needs"), ("constant", "")]
)
def test_a_run_without_an_end_keeps_its_rate(name: str, note: str, capsys: pytest.CaptureFixture[str]):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make_scheduler(optimizer, options_of(name), CONTEXT, math.inf)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert note in capsys.readouterr().err


def test_the_average_is_the_recurrence_it_claims():
    ema = WeightEma(EmaConfig(decay=0.3))
    update = ema._kwargs["multi_avg_fn"]
    average, expected = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])
    counter = torch.tensor(0)
    for taken in range(6):
        value = torch.randn(2)
        update([average], [value], taken)
        decay = min(0.3, (1 + taken) / (10 + taken))
        expected = decay * expected + (1 - decay) * value
        update([counter], [torch.tensor(taken)], taken)
    torch.testing.assert_close(average, expected)
    assert counter.item() == 5

"""The suites of optimizers and schedules detect the faults that they are for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ocr_trainer.optim.schedule import with_warmup
from ocr_trainer.testing import OptimizerSuite, ScheduleSuite


class Still(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        return None if closure is None else closure()


class Unpacked(torch.optim.SGD):
    """Keeps state where no checkpoint looks."""

    def __init__(self, groups: Any, lr: float) -> None:
        super().__init__(groups, lr=lr)
        self.steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        for group in self.param_groups:
            group["lr"] *= 0.9**self.steps
        return super().step(closure)


class OneRate(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["lr"] = 0.05
        return super().step(closure)


class Decaying(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.mul_(1 - 0.1 * group["lr"])
        return super().step(closure)


class Blind(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        super().step()
        return None if closure is None else closure()


OPTIMIZERS: dict[str, tuple[type[torch.optim.SGD], str]] = {
    "test_it_minimizes": (Still, "the distance to the minimum must be less than half"),
    "test_it_runs_the_closure_once": (
        Blind,
        "must call the closure once, with gradients enabled; in its calls: [False]",
    ),
    "test_it_resumes_exactly": (Unpacked, "0.weight must be the same after resuming"),
    "test_it_uses_the_learning_rate_of_each_group": (OneRate, "with lr=0, a group must not change"),
    "test_a_step_without_gradients_changes_nothing": (Decaying, "without gradients, a step must not change"),
}


@pytest.mark.parametrize("test", OPTIMIZERS)
def test_an_optimizer_at_fault(test: str, tmp_path: Path) -> None:
    kind, message = OPTIMIZERS[test]

    class Suite(OptimizerSuite):
        name = "sgd"

        def optimizer(self, network: torch.nn.Module, folder: Path) -> torch.optim.Optimizer:
            sound = super().optimizer(network, folder)
            return kind(sound.param_groups, lr=self.lr)

    with pytest.raises(AssertionError, match=re.escape(message)):
        getattr(Suite(), test)(tmp_path)


def forgetful() -> Callable[[int, float], float]:
    calls: list[int] = []

    def schedule(step: int, steps: float) -> float:
        calls.append(step)
        return 1 / len(calls)

    return schedule


SCHEDULES: dict[str, tuple[Callable[[int, float], Any], str, str]] = {
    "high": (lambda step, steps: 1.5, "test_its_learning_rates_are_valid", "must be from 0 to 1, not 1.5"),
    "nan": (
        lambda step, steps: math.nan,
        "test_its_learning_rates_are_valid",
        "must be from 0 to 1, not nan",
    ),
    "tensor": (lambda step, steps: torch.tensor(1.0), "test_its_learning_rates_are_valid", "not Tensor"),
    "flat": (lambda step, steps: 1.0, "test_it_warms_up", "the learning rate must rise in 20 of 100 steps"),
    "zero": (lambda step, steps: min(1.0, step / 20), "test_it_warms_up", "the first step must have"),
    "state": (forgetful(), "test_it_depends_on_the_step_only", "keep no state"),
}


@pytest.mark.parametrize("fault", SCHEDULES)
def test_a_schedule_at_fault(fault: str, tmp_path: Path) -> None:
    schedule, test, message = SCHEDULES[fault]

    class Suite(ScheduleSuite):
        name = "constant"

        def schedule(self, folder: Path, *more: str) -> Any:
            return schedule

    with pytest.raises(AssertionError, match=re.escape(message)):
        getattr(Suite(), test)(tmp_path)


def test_an_endless_schedule_that_needs_a_number_of_steps(tmp_path: Path) -> None:
    class Suite(ScheduleSuite):
        name = "constant"

        def schedule(self, folder: Path, *more: str) -> Any:
            return lambda step, steps: step / steps - 1

    with pytest.raises(AssertionError, match="of a run without limit, the learning rate must be from 0 to 1"):
        Suite().test_an_endless_one_needs_no_number_of_steps(tmp_path)


def test_warmup_needs_no_end() -> None:
    assert with_warmup(0.5, lambda t: 1 - t)(10**9, math.inf) == 1.0

"""Learning rate schedules: functions of the optimizer step, and the torch scheduler that follows them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ocr_trainer.plugin import Context, Kind, ScheduleConfig, SchedulePlugin, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer_runtime.text.visible import echo

Schedule = Callable[[int, float], float]
"""Maps the optimizer step, from 0, and the number of steps to the learning rate, relative to its peak. The
number of steps is an int, or `math.inf` in a run without limit, if the schedule is `endless`."""

CHECKED = 1000
"""About how many steps of a schedule are checked before a run starts."""


def linear(t: float) -> float:
    """Rise linearly from 0 to 1."""
    return t


def half_cosine(t: float) -> float:
    """Rise from 0 to 1 along half a cosine wave."""
    return (1 - math.cos(math.pi * t)) / 2


def with_warmup(
    warmup: float, decay: Callable[[float], float], rise: Callable[[float], float] = linear
) -> Schedule:
    """Return a schedule that warms up and then follows a decay.

    Without a number of steps, there is neither warmup nor progress.

    Args:
        warmup: The fraction of the steps in which the learning rate rises to its peak.
        decay: Maps the progress after the warmup, from 0 to 1, to the learning rate.
        rise: Maps the progress of the warmup, from 0 to 1, to the learning rate.
    """

    def schedule(step: int, steps: float) -> float:
        rising = round(warmup * steps) if math.isfinite(steps) else 0
        if step < rising:
            return rise((step + 1) / (rising + 1))
        return decay(min(1.0, (step - rising) / max(1, steps - rising)))

    return schedule


def make_scheduler(optimizer: Optimizer, config: ScheduleConfig, context: Context, steps: float) -> LambdaLR:
    """Return torch's scheduler over a number of optimizer steps.

    If the number is infinite and the schedule needs one, the learning rate is constant.

    Raises:
        PluginBroken: The plugin cannot be imported, or returns no valid schedule.
    """
    description = discovery.load(Kind.schedule, config.name)
    assert isinstance(description, SchedulePlugin)
    if math.isinf(steps) and not description.endless:
        if is_rank_zero():
            echo(
                f"ocr-train: this run has no last step, which schedule={config.name} needs: "
                "the learning rate is constant (set trainer.max_steps or trainer.max_epochs)",
                file=sys.stderr,
            )
        return LambdaLR(optimizer, lambda step: 1.0)
    steps = steps if math.isinf(steps) else int(steps)
    schedule = checked(build(Kind.schedule, config, context), config.name, steps)
    last = CHECKED if math.isinf(steps) else int(steps)
    for step in {*range(0, last, max(1, last // CHECKED)), last}:
        schedule(step)
    return LambdaLR(optimizer, schedule)


def checked(schedule: Schedule, name: str, steps: float) -> Callable[[int], float]:
    """Return a schedule as a function of the step that raises `PluginBroken` where it is invalid."""

    def factor(step: int) -> float:
        try:
            value = schedule(step, steps)
        except Exception as error:
            reason = f"at step {step} of {steps}, it fails with {describe_exception(error)}"
            raise discovery.broken(discovery.find(Kind.schedule, name), reason) from error
        if isinstance(value, float | int) and math.isfinite(value) and value >= 0:
            return value
        reason = (
            f"at step {step} of {steps}, it returns {value!r}; a learning rate is a finite number from 0 up, "
            "relative to the peak"
        )
        raise discovery.broken(discovery.find(Kind.schedule, name), reason)

    return factor

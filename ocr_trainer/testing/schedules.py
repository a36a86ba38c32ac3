"""Contract suite for learning rate schedules."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from ocr_trainer.plugin import Kind, ScheduleConfig, SchedulePlugin
from ocr_trainer.testing.plugins import PluginSuite

LENGTHS = (1, 2, 10, 1000)
"""Numbers of steps of the runs that the suite tries."""


class ScheduleSuite(PluginSuite):
    """The contract of a schedule: a function of step and number of steps, and of nothing else."""

    kind: ClassVar[Kind] = Kind.schedule

    highest: ClassVar[float] = 1.0
    """The highest learning rate, as a fraction of `optimizer.lr`."""

    def schedule(self, folder: Path, *more: str) -> Any:
        """Build the schedule of a run with more overrides."""
        from ocr_trainer.plugin.build import build

        return build(self.kind, self.config(self.run(*more)), self.context(folder))

    def test_its_config_has_the_options_of_all_schedules(self) -> None:
        """Every schedule has `warmup`."""
        config = self.description.config
        assert issubclass(config, ScheduleConfig), (
            f"{config.__name__} must derive from ocr_trainer.plugin.ScheduleConfig"
        )

    def test_its_learning_rates_are_valid(self, tmp_path: Path) -> None:
        """They are finite and from 0 to `highest`; torch also asks for the one after the last step."""
        schedule = self.schedule(tmp_path)
        for steps in LENGTHS:
            for step in range(steps + 1):
                value = schedule(step, steps)
                assert isinstance(value, float | int), (
                    f"at step {step} of {steps}, it must return a float, not {type(value).__name__}"
                )
                assert 0 <= value <= self.highest, (
                    f"at step {step} of {steps}, the learning rate must be from 0 to {self.highest:g}, not"
                    f" {value}. If it may be higher, set `highest` of the suite"
                )

    def test_it_warms_up(self, tmp_path: Path) -> None:
        """In the first `schedule.warmup` of the steps, the learning rate rises from above 0."""
        schedule = self.schedule(tmp_path, "schedule.warmup=0.2")
        curve = [schedule(step, 100) for step in range(21)]
        assert curve[0] > 0, "the first step must have a learning rate above 0, or it is lost"
        assert all(low < high for low, high in pairwise(curve)), (
            f"with schedule.warmup=0.2, the learning rate must rise in 20 of 100 steps: {curve}"
        )

    def test_it_depends_on_the_step_only(self, tmp_path: Path) -> None:
        """A resumed run asks a new schedule, from the middle."""
        first, second = self.schedule(tmp_path), self.schedule(tmp_path)
        expected = [first(step, 50) for step in range(51)]
        order = random.Random(0).sample(range(51), 51)  # noqa: S311
        again = {step: second(step, 50) for step in order}
        assert [again[step] for step in range(51)] == expected, (
            "it must return the same learning rates in any order: keep no state"
        )

    def test_an_endless_one_needs_no_number_of_steps(self, tmp_path: Path) -> None:
        """In a run without limit, an `endless` schedule is called with `steps=math.inf`."""
        assert isinstance(self.description, SchedulePlugin)
        if self.description.endless:
            schedule = self.schedule(tmp_path)
            for step in (0, 1, 1000, 10**9):
                value = schedule(step, math.inf)
                assert 0 <= value <= self.highest, (
                    f"at step {step} of a run without limit, the learning rate must be from 0 to"
                    f" {self.highest:g}, not {value}"
                )

"""A stranger's metric whose scores a test dictates, validation by validation."""

from __future__ import annotations

from pathlib import Path

from helpers import fakes

SOURCE = """
from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import count

from ocr_trainer.plugin import Config, MetricPlugin, Task


@dataclass
class DictatedConfig(Config):
    values: list[float] = field(default_factory=lambda: [0.5])
    '''Its scores in each validation; the last one goes on, and -1 stands for NaN.'''
    fails_in: str = ""
    '''The method that raises, or `factory`.'''


def describe(*tasks, **more):
    return MetricPlugin(
        api=1, summary="a metric", config=DictatedConfig, factory=f"{__name__}:make", tasks=tasks, **more
    )


dictated = describe(Task.detection, scores=("gain", "cost"), lower_is_better=("cost",))
word = describe(Task.recognition, scores=("accuracy",))
odd_names = describe(Task.detection, scores=("a b",))
contrary = describe(Task.detection, scores=("gain",), lower_is_better=("cost",))

calls = count()


def make(config, _context):
    from ocr_trainer.metrics.base import Metric

    if config.fails_in == "factory":
        raise RuntimeError("no factory today")

    class Dictated(Metric):
        def update(self, prediction, target):
            self._act("update")

        def merge(self, other):
            self._act("merge")

        def compute(self):
            self._act("compute")
            value = config.values[min(next(calls), len(config.values) - 1)]
            value = math.nan if value == -1 else value
            return {"gain": value, "cost": value}

        def _act(self, name):
            if config.fails_in == name:
                raise RuntimeError(f"{name} is broken")

    return Dictated()
"""
NAMES = ("dictated", "word", "odd_names", "contrary")


def install(folder: Path) -> None:
    """Make the plugins visible to a process that has the folder on its path."""
    entry_points = "[ocr_trainer.metrics]\n" + "".join(f"{name} = {{}}:{name}\n" for name in NAMES)
    fakes.install(folder, "acme-metrics", entry_points, SOURCE)

"""`MetricCollection`: the metrics of a run. One that fails costs its own scores, never the run."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, TypeVar

from ocr_trainer.metrics.base import Metric

T = TypeVar("T")


class SafeMetric:
    """Wraps a metric and contains its errors: after the first one, it has no scores.

    Args:
        metric: A metric that has counted nothing.
        scores: The names of the scores that it may return.
        prefix: What their names begin with in a run.
        title: The metric in words, for messages.
    """

    failure: str | None = None
    """What went wrong first, in the metric or in a copy that was merged."""

    def __init__(self, metric: Metric, scores: Iterable[str], prefix: str, title: str) -> None:
        self.metric: Metric | None = metric
        """None once it has failed."""
        self.scores, self.prefix, self.title = frozenset(scores), prefix, title

    def copy(self) -> SafeMetric:
        """Return a copy that counts by itself."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.metric = other._call(copy.deepcopy, self.metric)
        return other

    def update(self, prediction: Any, target: Any) -> None:
        """Count one image."""
        if self.metric is not None:
            self._call(self.metric.update, prediction, target)

    def merge(self, other: SafeMetric) -> None:
        """Add what a copy has counted."""
        self.failure = self.failure or other.failure
        if other.metric is None:
            self.metric = None
        if self.metric is not None:
            self._call(self.metric.merge, other.metric)

    def compute(self) -> dict[str, float]:
        """Return the finite scores by their names in a run."""
        found = self._call(self._compute) or {}
        return {self.prefix + name: value for name, value in found.items() if self._admit(name, value)}

    def _compute(self) -> dict[str, Any]:
        scores = dict(self.metric.compute()) if self.metric is not None else {}
        return {name: float(v) if isinstance(v, Real) else v for name, v in scores.items()}

    def details(self) -> dict[str, Any]:
        """Return the breakdown of the scores, as it is written to report.json."""
        return self._call(self._details) or {}

    def _details(self) -> dict[str, Any]:
        details = dict(self.metric.details()) if self.metric is not None else {}
        plain: dict[str, Any] = json.loads(json.dumps(details, allow_nan=False))
        return plain

    def _admit(self, name: Any, value: Any) -> bool:
        """Return whether a score can be used; record what is wrong with it."""
        fault = None
        if name not in self.scores:
            fault = f"its plugin does not list the score {name!r}"
        elif not isinstance(value, Real):
            fault = f"its score '{name}' is of type {type(value).__name__}, not a number"
        elif not math.isfinite(value):
            fault = f"its score '{name}' is {value}"
        self.failure = self.failure or fault
        return fault is None

    def _call(self, function: Callable[..., T], *args: Any) -> T | None:
        try:
            return function(*args)
        # This class exists to contain errors, and a metric may raise any type.
        except Exception as error:
            self.metric = None
            self.failure = self.failure or f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(": ")
            return None

    def __getstate__(self) -> dict[str, Any]:
        # Pickled by itself, a metric that cannot be pickled costs its scores, not those of all.
        return {**vars(self), "metric": self._call(pickle.dumps, self.metric), "failure": self.failure}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, metric=None)
        if state["metric"] is not None:
            self.metric = self._call(pickle.loads, state["metric"])


class MetricCollection:
    """The metrics of a run, by name; the task's main metric comes first."""

    def __init__(self, metrics: Mapping[str, SafeMetric]) -> None:
        self.metrics = dict(metrics)

    def get(self, name: str) -> Metric | None:
        """Return a metric, or None if it has failed or is not among them."""
        return self.metrics[name].metric if name in self.metrics else None

    def copy(self) -> MetricCollection:
        """Return a copy that counts by itself."""
        return MetricCollection({name: metric.copy() for name, metric in self.metrics.items()})

    def update(self, prediction: Any, target: Any) -> None:
        """Count one image."""
        for metric in self.metrics.values():
            metric.update(prediction, target)

    def merge(self, other: MetricCollection) -> None:
        """Add what a copy has counted."""
        for name, metric in self.metrics.items():
            metric.merge(other.metrics[name])

    def compute(self) -> dict[str, float]:
        """Return the scores of all metrics by their names in a run."""
        return {k: v for metric in self.metrics.values() for k, v in metric.compute().items()}

    def details(self) -> dict[str, Any]:
        """Return the breakdowns: those of the main metric by their names, others below the metric's name."""
        found = {name: metric.details() for name, metric in self.metrics.items()}
        main = next(iter(found), "")
        return found.pop(main, {}) | {name: details for name, details in found.items() if details}

    def failures(self) -> list[str]:
        """Return what went wrong, one message per metric that failed."""
        return [f"{m.title}: {m.failure}" for m in self.metrics.values() if m.failure is not None]

"""A metric that fails costs its own scores, never the run and never those of another metric."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from typing import Any, Self

import numpy as np
import pytest

from ocr_trainer.metrics.base import Metric
from ocr_trainer.metrics.collection import MetricCollection, SafeMetric


class Count(Metric):
    """Counts images. `raises` names what fails; `returns` replaces the results of methods."""

    def __init__(self, raises: str = "", **returns: Any) -> None:
        self.raises, self.returns, self.images = raises, returns, 0

    def update(self, prediction: Any, target: Any) -> None:
        self.images += 1
        self._act("update")

    def merge(self, other: Self) -> None:
        self.images += other.images
        self._act("merge")

    def compute(self) -> Any:
        return self._act("compute")

    def details(self) -> Any:
        return self._act("details")

    def __getstate__(self) -> dict[str, Any]:
        self._act("pickle")
        return vars(self)

    def _act(self, name: str) -> Any:
        if self.raises == name:
            raise ValueError("it is broken\nhere is why")
        return self.returns.get(name, {"images": self.images})


def collection(raises: str = "", **returns: Any) -> MetricCollection:
    return MetricCollection(
        {
            "good": SafeMetric(Count(), ["images"], "", "the metric 'good'"),
            "bad": SafeMetric(Count(raises, **returns), ["images", "rate"], "bad_", "the metric 'bad'"),
        }
    )


def validated(metrics: MetricCollection) -> MetricCollection:
    """Count three images as a validation does: in two processes, with a copy per image."""
    parts = []
    for images in (2, 1):
        part = metrics.copy()
        for _ in range(images):
            one = metrics.copy()
            one.update("prediction", "target")
            part.merge(one)
        parts.append(pickle.loads(pickle.dumps(part)))
    parts[0].merge(parts[1])
    return parts[0]


def test_parts_of_all_processes_add_up() -> None:
    metrics = validated(collection())
    assert metrics.compute() == {"images": 3, "bad_images": 3}
    assert metrics.details() == {"images": 3, "bad": {"images": 3}}
    assert metrics.failures() == []


@pytest.mark.parametrize("where", ["update", "merge", "compute", "pickle"])
def test_an_exception_costs_the_scores_of_that_metric(where: str) -> None:
    metrics = validated(collection(raises=where))
    assert metrics.compute() == {"images": 3}
    assert metrics.details() == {"images": 3}
    assert metrics.failures() == ["the metric 'bad': ValueError: it is broken"]
    assert metrics.get("bad") is None


def test_a_failed_part_is_not_forgotten() -> None:
    metrics, part = collection(), collection(raises="update")
    part.update("prediction", "target")
    metrics.merge(part)
    assert metrics.compute() == {"images": 1}


@pytest.mark.parametrize(
    ("returned", "left", "said"),
    [
        ({"images": math.nan, "rate": 0.5}, {"bad_rate": 0.5}, "its score 'images' is nan"),
        ({"images": -math.inf}, {}, "its score 'images' is -inf"),
        ({"images": "3"}, {}, "its score 'images' is of type str, not a number"),
        ({"images": np.ones(2)}, {}, "its score 'images' is of type ndarray, not a number"),
        ({"images": None}, {}, "its score 'images' is of type NoneType, not a number"),
        ({"images": 10**400}, {}, "OverflowError: int too large to convert to float"),
        ({"im ages\n": 1.0, "rate": 1}, {"bad_rate": 1}, "its plugin does not list the score 'im ages\\n'"),
        ({7: 1.0}, {}, "its plugin does not list the score 7"),
        ([0.5], {}, "TypeError: cannot convert dictionary update sequence element #0 to a sequence"),
        (None, {}, "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_what_is_no_finite_number_by_a_known_name_is_left_out(
    returned: Any, left: dict[str, float], said: str
) -> None:
    metrics = collection(compute=returned)
    assert metrics.compute() == {"images": 0, **left}
    assert metrics.failures() == [f"the metric 'bad': {said}"]


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), Fraction(1, 2), True, 1, np.int64(1)])
def test_any_real_number_is_a_score(number: Any) -> None:
    scores = collection(compute={"rate": number}).compute()
    assert scores["bad_rate"] == float(number)
    assert type(scores["bad_rate"]) is float


@pytest.mark.parametrize("details", [{"x": math.nan}, {"x": object()}, [1], None])
def test_details_that_are_no_json_are_left_out(details: Any) -> None:
    metrics = collection(details=details)
    assert metrics.details() == {"images": 0}
    assert len(metrics.failures()) == 1

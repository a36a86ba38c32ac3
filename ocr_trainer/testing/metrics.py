"""Contract suite for metrics."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ocr_trainer.plugin import Kind, MetricPlugin
from ocr_trainer.testing.plugins import PluginSuite


class MetricSuite(PluginSuite):
    """The contract of a metric: counting in parts, in any order, gives what counting at once gives.

    The run of a metric of texts needs a recognizer: `overrides = ["model=crnn"]`.
    """

    kind: ClassVar[Kind] = Kind.metric

    perfect: Mapping[str, float] = {}
    """What perfect predictions score, where it is not 1, or 0 where lower is better."""

    @property
    def metric_plugin(self) -> MetricPlugin:
        """The description as that of a metric."""
        description = self.description
        assert isinstance(description, MetricPlugin)
        return description

    def counted(self, folder: Path, pairs: Iterable[tuple[Any, Any]]) -> Any:
        """Return a new metric that has counted predictions, each given with its target."""
        metric = self.build(self.context(folder))
        for prediction, target in pairs:
            metric.update(prediction, target)
        return metric

    def scores(self, metric: Any) -> dict[str, float]:
        """Return the scores of a metric, having checked their names and types."""
        scores = dict(metric.compute())
        undeclared = sorted(set(scores) - set(self.metric_plugin.scores))
        assert not undeclared, f"list {', '.join(undeclared)} in `scores` of the description"
        for name, value in scores.items():
            assert math.isfinite(value), f"'{name}' must be a finite number, or be left out, not {value}"
        return scores

    def test_it_is_a_metric(self, tmp_path: Path) -> None:
        """The core calls the methods of `Metric`."""
        from ocr_trainer.metrics.base import Metric

        metric = self.build(self.context(tmp_path))
        assert isinstance(metric, Metric), f"the factory must return a Metric, not {type(metric).__name__}"

    def test_images_without_text_have_finite_scores(self, tmp_path: Path) -> None:
        """No image, an empty one, one without predictions, one without text: none of them divides by zero."""
        from ocr_trainer.testing.predictions import empty

        for task in self.metric_plugin.tasks:
            self.scores(self.counted(tmp_path, []))
            self.scores(self.counted(tmp_path, empty(task)))
            for pair in empty(task):
                self.scores(self.counted(tmp_path, [pair]))

    def test_perfect_predictions_have_the_best_scores(self, tmp_path: Path) -> None:
        """1, or 0 for a score that is better the lower it is; set `perfect` for others."""
        from ocr_trainer.testing.predictions import perfect

        for task in self.metric_plugin.tasks:
            for name, value in self.scores(self.counted(tmp_path, perfect(task))).items():
                best = self.perfect.get(name, float(name not in self.metric_plugin.lower_is_better))
                assert math.isclose(value, best, abs_tol=1e-6), f"'{name}' is {value}, not {best}"

    def test_the_order_of_images_does_not_matter(self, tmp_path: Path) -> None:
        """Threads and processes count in an order of their own."""
        from ocr_trainer.testing.predictions import imperfect

        for task in self.metric_plugin.tasks:
            pairs = imperfect(task)
            self._same(self.counted(tmp_path, pairs), self.counted(tmp_path, reversed(pairs)))

    def test_parts_merge_to_the_whole(self, tmp_path: Path) -> None:
        """Each image is counted by a copy, each process pickles its sum, and all of them are merged."""
        from ocr_trainer.testing.predictions import imperfect

        for task in self.metric_plugin.tasks:
            pairs = imperfect(task)
            new = self.build(self.context(tmp_path))
            merged = copy.deepcopy(new)
            for prediction, target in pairs:
                part = copy.deepcopy(new)
                part.update(prediction, target)
                before = self.scores(part)
                merged.merge(pickle.loads(pickle.dumps(part)))
                assert self.scores(part) == before, "merge must not change the other metric"
            self._same(merged, self.counted(tmp_path, pairs))

    def test_it_leaves_what_it_counts_unchanged(self, tmp_path: Path) -> None:
        """Other metrics get the same objects, and detections are drawn."""
        from ocr_trainer.testing.predictions import imperfect

        for task in self.metric_plugin.tasks:
            for pair in imperfect(task):
                before = pickle.dumps(pair)
                self.counted(tmp_path, [pair])
                assert pickle.dumps(pair) == before, "update must not change the prediction or the target"

    def test_its_details_are_plain_values(self, tmp_path: Path) -> None:
        """They become part of report.json."""
        from ocr_trainer.testing.predictions import imperfect

        for task in self.metric_plugin.tasks:
            details = self.counted(tmp_path, imperfect(task)).details()
            json.dumps(dict(details), allow_nan=False)

    def _same(self, one: Any, other: Any) -> None:
        """Check that two metrics have the same scores, but for rounding."""
        mine, theirs = self.scores(one), self.scores(other)
        assert mine.keys() == theirs.keys(), f"the names of the scores differ: {mine} and {theirs}"
        for name, value in mine.items():
            close = math.isclose(value, theirs[name], rel_tol=1e-6, abs_tol=1e-9)
            assert close, f"'{name}' must be the same in both: {value} and {theirs[name]}"

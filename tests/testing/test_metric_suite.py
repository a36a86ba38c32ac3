"""The suite of metrics finds what a careless metric does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import fakes

from ocr_trainer.testing import MetricSuite

SOURCE = """
from ocr_trainer.metrics.base import Metric
from ocr_trainer.plugin import Config, MetricPlugin, Task

careless = MetricPlugin(
    api=1, summary="careless", config=Config, factory=f"{__name__}:Careless", tasks=(Task.detection,), scores=("x",)
)


class Careless(Metric):
    def __init__(self, config, context):
        self.images, self.scores = 0, []

    def update(self, prediction, target):
        self.images += 1
        self.scores.append(float(len(prediction.polygons) == len(target.polygons)))

    def merge(self, other):
        self.images += other.images
        self.scores += other.scores

    def compute(self):
        return {"x": sum(self.scores) / max(1, len(self.scores))}
"""
FAULTS = {
    "test_it_is_a_metric": ("class Careless(Metric)", "class Careless"),
    "test_images_without_text_have_finite_scores": ("max(1, len(self.scores))", "(len(self.scores) or float('nan'))"),
    "test_perfect_predictions_have_the_best_scores": ("return {\"x\": sum(self.scores)", "return {\"x\": 0.9 * sum(self.scores)"),
    "test_the_order_of_images_does_not_matter": ("sum(self.scores) / max(1, len(self.scores))", "sum(n * x for n, x in enumerate(self.scores))"),
    "test_parts_merge_to_the_whole": ("self.scores += other.scores", "self.scores = [(sum(self.scores) + sum(other.scores)) / 2]"),
    "test_it_leaves_what_it_counts_unchanged": ("self.images += 1", "target.polygons.reverse(); prediction.polygons.clear()"),
    "test_its_details_are_plain_values": ("    def compute", "    def details(self):\n        return {'x': object()}\n\n    def compute"),
}  # fmt: skip


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Callable[[str, str], MetricSuite]]:
    with fakes.visible(tmp_path / "fakes") as folder:

        def make(right: str, wrong: str) -> MetricSuite:
            assert right in SOURCE
            source = SOURCE.replace(right, wrong)
            fakes.install(
                folder, "careless-metric", "[ocr_trainer.metrics]\ncareless = {}:careless\n", source
            )
            made = MetricSuite()
            made.name = "careless"
            return made

        yield make


@pytest.mark.parametrize("test", FAULTS)
def test_each_check_finds_its_fault(
    test: str, suite: Callable[[str, str], MetricSuite], tmp_path: Path
) -> None:
    with pytest.raises((AssertionError, TypeError)):
        getattr(suite(*FAULTS[test]), test)(tmp_path)


@pytest.mark.parametrize("test", FAULTS)
def test_each_check_accepts_a_sound_metric(
    test: str, suite: Callable[[str, str], MetricSuite], tmp_path: Path
) -> None:
    getattr(suite("careless", "careless"), test)(tmp_path)

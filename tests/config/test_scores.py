"""Metrics and monitored scores are checked before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import fakes, metrics

from ocr_trainer.config.compose import compose
from ocr_trainer.config.scores import Monitor, chosen_metrics, monitor_of
from ocr_trainer.errors import ConfigError, PluginBroken, PluginNotFound


@pytest.fixture(autouse=True)
def acme(tmp_path: Path) -> Iterator[None]:
    metrics.install(tmp_path / "acme")
    with fakes.visible(tmp_path / "acme"):
        yield


def scores(*words: str) -> list[str]:
    return [score for metric in chosen_metrics(compose(words)) for score in metric.scores()]


DETECTION = ["precision", "recall", "hmean", "cleval_precision", "cleval_recall", "cleval_hmean"]


def test_the_scores_of_a_run_by_its_metrics() -> None:
    assert scores() == DETECTION
    rates = [f"{name}_{rate}" for name in ("deteval", "tiou") for rate in ("precision", "recall", "hmean")]
    assert scores("metric=[deteval,tiou]") == [*DETECTION, *rates]
    # One that every run has can be named, too; so its options can be given.
    assert scores("metric=[cleval,icdar]") == DETECTION
    assert scores("metric=[acme-metrics:dictated]") == [*DETECTION, "dictated_gain", "dictated_cost"]
    assert "cer" in scores("model=crnn")


@pytest.mark.parametrize(
    ("words", "monitor", "mode"),
    [
        ([], Monitor("hmean"), "max"),
        (["model=crnn"], Monitor("ned_mean"), "max"),
        (["model=crnn", "checkpoint.monitor=cer"], Monitor("cer", lower_is_better=True), "min"),
        (["metric=[tiou]", "checkpoint.monitor=tiou_hmean"], Monitor("tiou_hmean"), "max"),
        (
            ["metric=[dictated]", "checkpoint.monitor=dictated_cost"],
            Monitor("dictated_cost", lower_is_better=True),
            "min",
        ),
    ],
)
def test_which_score_chooses_the_best(words: list[str], monitor: Monitor, mode: str) -> None:
    assert monitor_of(compose(words)) == monitor
    assert monitor.mode == mode


def test_better_is_higher_or_lower_and_never_equal() -> None:
    higher, lower = Monitor("x"), Monitor("x", lower_is_better=True)
    assert [m.improves(0.5, None) for m in (higher, lower)] == [True, True]
    assert [m.improves(0.5, 0.4) for m in (higher, lower)] == [True, False]
    assert [m.improves(0.4, 0.5) for m in (higher, lower)] == [False, True]
    assert [m.improves(0.5, 0.5) for m in (higher, lower)] == [False, False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["checkpoint.monitor=hmeen"],
            "this run cannot start:\n"
            "  - checkpoint.monitor=hmeen: there is no such score. Did you mean 'hmean'?\n"
            f"      scores of this run: {', '.join(DETECTION)}",
        ),
        (
            ["checkpoint.monitor=tiou_hmean"],
            "this run cannot start:\n"
            "  - checkpoint.monitor=tiou_hmean: there is no such score. Did you mean 'hmean'?\n"
            f"      scores of this run: {', '.join(DETECTION)}",
        ),
        (
            ["metric=[text]"],
            "this run cannot start:\n"
            "  - model=dbnet does detection, but metric.text is for recognition: leave it out",
        ),
        (
            ["model=crnn", "metric=[deteval]", "checkpoint.monitor=deteval_hmean"],
            "this run cannot start:\n"
            "  - model=crnn does recognition, but metric.deteval is for detection: leave it out",
        ),
        (
            ["model=crnn", "metric=[word]"],
            "this run cannot start:\n"
            "  - metric=text and metric=word both have a score 'word_accuracy': use one of them",
        ),
    ],
)
def test_what_does_not_fit_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose(words)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("odd_names", "the name of its score 'a b' must consist of letters, digits and underscores"),
        ("contrary", "lower_is_better names 'cost', which is not one of its scores"),
    ],
)
def test_a_description_with_impossible_scores_is_broken(name: str, said: str) -> None:
    with pytest.raises(PluginBroken, match=said):
        compose([f"metric=[{name}]"])


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        PluginNotFound, match=r"no metric plugin named 'detevl' is installed\. Did you mean 'deteval'"
    ):
        compose(["metric=[detevl]"])


def test_a_refusal_costs_no_import_of_torch() -> None:
    code = """
import sys
sys.argv = ["ocr-train", "metric=[deteval]", "checkpoint.monitor=cer"]
from ocr_trainer.cli.main import main
assert main() == 2
print(*(name for name in ("torch", "numpy", "shapely") if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
    assert "checkpoint.monitor=cer: there is no such score." in done.stderr

"""Whole runs with metrics: which score chooses the best checkpoint, and what a metric that fails costs."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers import fakes, forked, metrics

from ocr_trainer.checkpoint.read import read

Train = Callable[..., str]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    metrics.install(tmp_path / "acme")

    def run(*words: str, status: int = 0) -> str:
        environment: Mapping[str, str] = {**os.environ, **fakes.python_path(tmp_path / "acme")}
        done = forked.ocr_train(words, tmp_path, environment)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


TINY = (*fakes.TINY, "trainer.max_epochs=3", "schedule.warmup=0", "calibrate.enabled=false")
DICTATED = (*TINY, "metric=[dictated]")


def report(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("runs/*/*/report.json")
    return json.loads(file.read_text(encoding="utf-8"))


def epoch(folder: Path, name: str = "best") -> int:
    """Return how many epochs a checkpoint has seen."""
    (file,) = folder.glob(f"runs/*/*/checkpoints/{name}.ckpt")
    return int(read(file)["global_step"]) // 2


def test_metrics_are_added_to_those_of_the_task(train: Train, tmp_path: Path) -> None:
    printed = train(*TINY, "metric=[deteval,tiou]", "checkpoint.monitor=tiou_hmean", "logger=[csv]")
    told = report(tmp_path)
    names = [
        f"{metric}{rate}"
        for metric in ("", "cleval_", "deteval_", "tiou_")
        for rate in ("precision", "recall", "hmean")
    ]
    assert set(told["scores"]) == {f"{split}/{name}" for split in ("val", "test") for name in names}
    assert told["monitor"] == "val/tiou_hmean"
    assert "checkpoints/best.ckpt by val/tiou_hmean" in printed
    assert {("metric", "deteval"), ("metric", "tiou")} <= {(p["kind"], p["name"]) for p in told["plugins"]}
    assert told["notes"] == []
    (file,) = tmp_path.glob("runs/*/*/csv/metrics.csv")
    with file.open(encoding="utf-8") as rows:
        assert {f"val/{name}" for name in names} <= set(next(csv.reader(rows)))
    # A test has the metrics of the training, or others.
    (best,) = tmp_path.glob("runs/*/*/checkpoints/best.ckpt")
    printed = train("test", str(best), "exp_name=again")
    assert "test/deteval_hmean" in printed
    printed = train(
        "test", str(best), "exp_name=others", "metric=[dictated]", "metric.dictated.values=[0.25]"
    )
    assert "test/deteval_hmean" not in printed
    assert re.search(r"test/dictated_gain +0\.2500", printed)


@pytest.mark.parametrize(
    ("monitor", "best", "score"),
    [("dictated_gain", 2, 0.9), ("dictated_cost", 1, 0.2), ("hmean", 1, 0.2), (None, 1, 0.2)],
)
def test_any_score_chooses_the_best_checkpoint(
    train: Train, tmp_path: Path, monitor: str | None, best: int, score: float
) -> None:
    chosen = [f"checkpoint.monitor={monitor}"] if monitor else []
    train(*DICTATED, "metric.dictated.values=[0.2,0.9,0.9]", *chosen)
    assert epoch(tmp_path) == best
    assert report(tmp_path)["scores"]["val/dictated_gain"] == score


def test_early_stopping_watches_the_same_score(train: Train, tmp_path: Path) -> None:
    stopping = ("early_stopping.enabled=true", "early_stopping.patience=2", "trainer.max_epochs=9")
    train(
        *DICTATED, "metric.dictated.values=[0.5,0.4,0.4,0.7]", "checkpoint.monitor=dictated_cost", *stopping
    )
    assert (epoch(tmp_path), epoch(tmp_path, "last")) == (2, 4)


def test_a_resumed_run_may_choose_by_another_score(train: Train, tmp_path: Path) -> None:
    train(*DICTATED, "metric.dictated.values=[0.5,0.6,0.7]")
    (folder,) = tmp_path.glob("runs/*/*")
    assert epoch(tmp_path) == 1
    # The best so far had a cost of 0.5. The last validation is repeated, as its scores are not saved.
    values = "metric.dictated.values=[0.6,0.6,0.3]"
    printed = train("resume", str(folder), "checkpoint.monitor=dictated_cost", "trainer.max_epochs=5", values)
    assert "checkpoint.monitor: None before, dictated_cost now (from here on)" in printed
    assert epoch(tmp_path) == 5
    assert report(tmp_path)["scores"]["val/dictated_cost"] == 0.3


def test_a_resumed_run_may_choose_by_the_score_of_a_new_metric(train: Train, tmp_path: Path) -> None:
    train(*TINY)
    (folder,) = tmp_path.glob("runs/*/*")
    words = ("metric=[dictated]", "checkpoint.monitor=dictated_cost", "metric.dictated.values=[0.6,0.7]")
    train("resume", str(folder), *words, "trainer.max_epochs=5")
    assert epoch(tmp_path) == 3


def test_a_validation_without_the_monitored_score_is_never_the_best(train: Train, tmp_path: Path) -> None:
    printed = train(*DICTATED, "metric.dictated.values=[-1,0.3,-1]", "checkpoint.monitor=dictated_gain")
    assert epoch(tmp_path) == 2
    told = report(tmp_path)
    assert told["scores"]["val/dictated_gain"] == 0.3
    nan = "the metric 'dictated' (acme-metrics 1.0): its score 'gain' is nan"
    missing = "val/dictated_gain has no value, so this validation cannot be the best one"
    # Two validations, and the test.
    assert told["notes"] == [f"{nan} (times: 3)", f"{missing} (times: 2)"]
    assert printed.count(f"{nan}\n  the run is not affected") == 1
    assert printed.count(f"{missing}\n  the run is not affected") == 1


def test_without_any_monitored_score_the_last_state_is_the_best(train: Train, tmp_path: Path) -> None:
    stopping = ("early_stopping.enabled=true", "early_stopping.patience=2")
    train(*DICTATED, "metric.dictated.values=[-1]", "checkpoint.monitor=dictated_gain", *stopping)
    assert epoch(tmp_path) == epoch(tmp_path, "last") == 2
    told = report(tmp_path)
    assert "val/hmean" in told["scores"]
    assert "val/dictated_gain" not in told["scores"]


@pytest.mark.parametrize("method", ["update", "merge", "compute"])
def test_a_metric_that_raises_costs_its_own_scores(train: Train, tmp_path: Path, method: str) -> None:
    printed = train(*DICTATED, f"metric.dictated.fails_in={method}")
    told = report(tmp_path)
    said = f"the metric 'dictated' (acme-metrics 1.0): RuntimeError: {method} is broken"
    assert told["notes"] == [f"{said} (times: 4)"]
    assert printed.count(said) == 1
    assert {"val/hmean", "test/hmean"} <= set(told["scores"])
    assert not any("dictated" in name for name in told["scores"])


def test_a_factory_that_raises_ends_the_run_before_it_starts(train: Train, tmp_path: Path) -> None:
    printed = train(*DICTATED, "metric.dictated.fails_in=factory", status=2)
    assert (
        "the metric plugin 'dictated' cannot be used: its factory failed with RuntimeError: no factory"
        in printed
    )
    assert "Traceback" not in printed


def test_a_monitored_score_needs_a_val_split(train: Train) -> None:
    printed = train(*DICTATED, "checkpoint.monitor=hmean", "dataset.val_pages=0", status=2)
    assert "checkpoint.monitor=hmean needs the scores of a val split, but there is none" in printed

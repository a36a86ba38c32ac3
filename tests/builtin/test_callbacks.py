"""The built-in callbacks: what they log is what there was, and nothing else changes."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from helpers.cutting import RECOGNIZER, differ, ocr_train
from helpers.launching import run_folder
from lightning.pytorch import Callback

BRIEF = [*(word for word in RECOGNIZER if word != "logger=[]"), "logger=[csv]", "trainer.max_epochs=1"]


class Norms(Callback):
    """Computes norms and learning rates a second way."""

    def __init__(self) -> None:
        self.norms: list[dict[str, float]] = []
        self.rates: list[float] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        squares: dict[str, float] = {}
        for name, parameter in pl_module.model.named_parameters():
            squares.setdefault(name.partition(".")[0], 0.0)
            squares[name.partition(".")[0]] += float(parameter.grad.double().square().sum())
        norms = {"total": math.sqrt(sum(squares.values()))} | {n: math.sqrt(s) for n, s in squares.items()}
        self.norms.append({f"grad_norm/{name}": norm for name, norm in norms.items()})
        self.rates.append(optimizer.param_groups[0]["lr"])


def columns(folder: Path, prefix: str) -> dict[int, dict[str, float]]:
    """Return the figures that begin so, by step."""
    found: dict[int, dict[str, float]] = {}
    with (folder / "csv" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            figures = {key: float(value) for key, value in row.items() if key.startswith(prefix) and value}
            if figures:
                found.setdefault(int(row["step"]), {}).update(figures)
    return found


def test_gradient_norms_before_clipping_and_all_learning_rates(tmp_path: Path):
    norms = Norms()
    words = [
        "callback=[grad_norm,lr_monitor]",
        "callback.grad_norm.every=2",
        "trainer.gradient_clip_val=0.01",
    ]
    words += ["trainer.log_every_n_steps=1", "callback.lr_monitor.momentum=true"]
    assert ocr_train(tmp_path / "a", [*BRIEF, *words], norms) == 0
    folder = run_folder(tmp_path / "a")
    logged = columns(folder, "grad_norm/")
    assert list(logged) == [0, 2, 4]
    for step, figures in logged.items():
        assert figures == pytest.approx(norms.norms[step], rel=1e-5)
        assert len(figures) > 2
        assert figures["grad_norm/total"] > 0.01
    rates = columns(folder, "lr-AdamW")
    assert sorted(rates) == list(range(6))
    groups = {key for key in rates[0] if not key.endswith("-momentum")}
    assert len(groups) == 2  # with and without weight decay
    assert all(rates[step][key] == norms.rates[step] for step in rates for key in groups)
    assert rates[0] == rates[0] | {f"{key}-momentum": 0.9 for key in groups}


def test_they_change_nothing_else(tmp_path: Path):
    words = [*RECOGNIZER, "trainer.max_epochs=1"]
    every = "callback=[lr_monitor,grad_norm,profiler]"
    assert ocr_train(tmp_path / "a", words) == 0
    # Without a logger there is nowhere to log to, which is no mistake.
    assert ocr_train(tmp_path / "b", [*words, every, "callback.profiler.start=1"]) == 0
    folders = [run_folder(tmp_path / name) for name in "ab"]
    assert [place for place in differ(*folders) if "/config/callback" not in place] == []


def test_the_profile_of_a_window_of_steps(tmp_path: Path, capsys):
    words = ["callback=[profiler]", "callback.profiler.start=1", "callback.profiler.batches=2"]
    assert ocr_train(tmp_path, [*BRIEF, *words]) == 0
    folder = run_folder(tmp_path) / "profiler"
    assert f"profile of 2 batches: {folder}\n" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["operators.txt", "trace.json"]
    table = (folder / "operators.txt").read_text("utf-8")
    assert "aten::convolution" in table
    events = json.loads((folder / "trace.json").read_text("utf-8"))["traceEvents"]
    steps = {event["name"] for event in events if str(event.get("name")).startswith("ProfilerStep#")}
    assert len(steps) == 2
    assert any("Optimizer.step" in str(event.get("name")) for event in events)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["callback.profiler.start=100"], False),
        (["callback.profiler.start=3", "callback.profiler.batches=50"], True),
    ],
)
def test_a_window_beyond_the_run(words: list[str], written: bool, tmp_path: Path):
    assert ocr_train(tmp_path, [*BRIEF, "callback=[profiler]", *words]) == 0
    assert (run_folder(tmp_path) / "profiler" / "operators.txt").exists() is written

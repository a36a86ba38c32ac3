"""Losses and gradients that are not finite: nothing of them reaches weights, averages or checkpoints."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.fitting import CRNN, DBNET, Spoil, finite_checkpoint, fit
from lightning.pytorch.plugins import MixedPrecision

from ocr_trainer.config.compose import compose
from ocr_trainer.engine.callbacks.nonfinite import NonfiniteGuard
from ocr_trainer.errors import NumbersError
from ocr_trainer.optim.ema import WeightEma
from ocr_trainer.tasks.base import LearningTask


def loss(task: LearningTask, batches: set[int]) -> None:
    """Make the losses of some batches NaN, and nothing else: the gradients are zero."""
    parts, before = task.loss_parts, iter(range(100))

    def spoiled(batch: Any) -> dict[str, torch.Tensor]:
        found = parts(batch)
        bad = next(before) in batches
        return {n: v.where(torch.tensor(not bad), v.new_tensor(math.nan)) for n, v in found.items()}

    task.loss_parts = spoiled


def gradient(task: LearningTask, batches: set[int]) -> None:
    """Make one element of a gradient infinite; losses and buffers are as they should be."""
    before = iter(range(100))
    last = list(task.model.parameters())[-1]

    def spoiled(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        if next(before) in batches:
            value.view(-1)[0] = math.inf
        return value

    last.register_hook(spoiled)


def forward(task: LearningTask, batches: set[int]) -> None:
    """Make what the first convolution yields NaN: statistics, loss and gradients follow."""
    before = iter(range(100))
    first = next(m for m in task.model.modules() if isinstance(m, torch.nn.Conv2d))

    def spoiled(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output * (math.nan if next(before) in batches else 1.0)

    first.register_forward_hook(spoiled)


def nothing(task: LearningTask, batches: set[int]) -> None:
    """Have Lightning pass the batches over, before the model sees them."""
    step, before = task.training_step, iter(range(100))
    task.training_step = lambda *batch: None if next(before) in batches else step(*batch)


@pytest.mark.parametrize(
    ("words", "spoil"), [(CRNN, loss), (CRNN, gradient), (CRNN, forward), (DBNET, forward)]
)
def test_case_30_the_run_stops_before_the_step(words: list[str], spoil: Spoil, tmp_path: Path):
    with pytest.raises(NumbersError) as caught:
        fit(tmp_path, words, spoil, {3}, WeightEma(compose([*words, "ema.enabled=true"]).ema))
    said = str(caught.value)
    assert "is not finite: step 4, in epoch 1, at learning rate 0.0005" in said
    assert said.startswith("the gradient of " if spoil is gradient else "the loss (train/loss nan, train/")
    named = said.splitlines()[1].removeprefix("  samples: ").split(", ")
    assert len(named) == (8 if words is CRNN else 2)
    assert all(name.startswith("synthetic/train/") for name in named)
    assert (
        "optimizer.lr=0.0001, trainer.gradient_clip_val=1, or skip such steps with optimizer.nonfinite=skip"
        in said
    )
    saved = finite_checkpoint(tmp_path / "last.ckpt")
    # Three steps were taken, and their checkpoint was the last.
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3
    assert any("current_model_state" in name for name in saved)


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
@pytest.mark.parametrize("spoil", [loss, gradient, forward])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_case_30_a_step_passed_over_leaves_no_trace(spoil: Spoil, accumulate: int, tmp_path: Path):
    words = [*CRNN, "optimizer.nonfinite=skip", f"trainer.accumulate_grad_batches={accumulate}"]
    options = {"accumulate_grad_batches": accumulate, "gradient_clip_val": 1.0}
    ema = compose([*words, "ema.enabled=true"]).ema
    finite, _, trainer = fit(tmp_path / "skipped", words, spoil, {2}, WeightEma(ema), **options)
    assert trainer.global_step == 6 // accumulate
    window = set(range(2, 2 + accumulate))
    _, _, reference = fit(tmp_path / "reference", words, nothing, window, WeightEma(ema), **options)
    assert reference.global_step == trainer.global_step

    found, expected = (finite_checkpoint(tmp_path / name / "last.ckpt") for name in ("skipped", "reference"))
    assert found.keys() == expected.keys()
    counters = {name for name in found if name.endswith("num_batches_tracked")}
    assert counters < found.keys()
    differing = [name for name in found.keys() - counters if not torch.equal(found[name], expected[name])]
    assert differing == []

    told = finite.to_dict()
    assert told["count"] == 1
    assert told["first"][0]["step"] == 2 // accumulate + 1
    kept = torch.load(tmp_path / "skipped" / "last.ckpt", weights_only=True)["callbacks"]["NonfiniteGuard"]
    again = NonfiniteGuard(compose(words).optimizer)
    again.load_state_dict(kept)
    assert (again.to_dict(), again.consecutive) == (told, 0)


def test_case_30_too_many_steps_in_a_row_end_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [*CRNN, "optimizer.nonfinite=skip", "optimizer.max_nonfinite=2"]
    finite, *_ = fit(tmp_path / "apart", words, forward, {0, 2, 4})
    assert finite.to_dict()["count"] == 3
    assert capsys.readouterr().out.count("note: skipped step ") == 3
    with pytest.raises(NumbersError, match=r"^2 consecutive steps were skipped \(optimizer.max_nonfinite\)"):
        fit(tmp_path / "together", words, forward, {1, 2})
    finite_checkpoint(tmp_path / "together" / "last.ckpt")


def test_case_30_infinite_gradients_are_the_scalers_business(tmp_path: Path):
    # Half precision takes minutes on a processor; what matters is the scaler.
    precision = MixedPrecision("bf16-mixed", "cpu")
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    finite, *_ = fit(tmp_path, CRNN, gradient, {1, 3}, plugins=[precision])
    assert (precision.scaler.get_scale(), finite.to_dict()) == (256.0, None)
    finite_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(NumbersError, match="the loss"):
        fit(tmp_path, CRNN, forward, {2}, plugins=[precision])


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
def test_case_30_a_step_of_which_nothing_is_left_is_no_fault(tmp_path: Path):
    finite, _, trainer = fit(tmp_path, CRNN, nothing, {0, 1})
    assert (trainer.global_step, finite.to_dict()) == (6, None)


RANKS = """
import sys
from pathlib import Path
from lightning.pytorch.strategies import DDPStrategy
from helpers.fitting import CRNN, fit
from engine.test_nonfinite import in_rank_1
folder, words = Path(sys.argv[1]), [*CRNN, f"optimizer.nonfinite={sys.argv[2]}"]
ddp = DDPStrategy(process_group_backend="gloo", start_method="fork")
finite, task, trainer = fit(folder, words, in_rank_1, {1}, strategy=ddp, devices=2)
"""


def in_rank_1(task: LearningTask, batches: set[int]) -> None:
    """Spoil the losses of the second process alone; its gradients are zero, so none is spoiled."""
    begin = task.on_train_start

    def on_train_start() -> None:
        begin()
        loss(task, batches if task.global_rank == 1 else set())

    task.on_train_start = on_train_start


@pytest.mark.parametrize("mode", [pytest.param("stop", marks=pytest.mark.slow), "skip"])
def test_case_30_what_one_process_finds_all_act_on(mode: str, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RANKS, str(tmp_path), mode],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) == (mode == "skip"), done.stderr
    finite_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    if mode == "skip":
        assert (saved["global_step"], saved["callbacks"]["NonfiniteGuard"]["count"]) == (3, 1)
        assert done.stdout.count("note: skipped step 2") == 1
    else:
        assert saved["global_step"] == 1
        assert "NumbersError: the loss (train/loss nan, train/ctc nan) is not finite: step 2" in done.stderr

"""Optimizers and schedules that are at fault end the run with one message, and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.cutting import RECOGNIZER, Cut, cut_off, ocr_train
from helpers.fakes import install, visible
from ocr_trainer_crnn.model import CRNN

from ocr_trainer.checkpoint.read import read
from ocr_trainer.plugin import OptimizerConfig, discovery

SOURCE = """
from ocr_trainer.plugin import OptimizerConfig, OptimizerPlugin, ScheduleConfig, SchedulePlugin


def optimizer(name):
    return OptimizerPlugin(api=1, summary="", config=OptimizerConfig, factory=f"acme:make_{name}")


def schedule(name):
    return SchedulePlugin(api=1, summary="", config=ScheduleConfig, factory=f"acme:make_{name}")


def make_matrices(config, context):
    import torch
    return torch.optim.Muon(context.parameter_groups)


def make_forgetful(config, context):
    import torch
    return torch.optim.SGD(context.parameter_groups[:1])


def make_greedy(config, context):
    import torch
    return torch.optim.SGD([*context.parameter_groups, {"params": [torch.nn.Parameter(torch.zeros(1))]}])


def make_failing(config, context):
    return config.no_such_option


def make_none(config, context):
    return None


def make_gap(config, context):
    return lambda step, steps: float("nan") if step == 7 else 1.0


def make_negative(config, context):
    return lambda step, steps: -0.5


def make_text(config, context):
    return lambda step, steps: "high"


def make_raising(config, context):
    return lambda step, steps: 1 / (steps - step)


def make_late(config, context):
    calls = []
    def schedule(step, steps):
        calls.append(step)
        return 1.0 if len(calls) < 20 else float("inf")
    return schedule


OPTIMIZERS = ("matrices", "forgetful", "greedy", "failing", "none")
SCHEDULES = ("gap", "negative", "text", "raising", "late")
globals().update({name: optimizer(name) for name in OPTIMIZERS} | {name: schedule(name) for name in SCHEDULES})
none_schedule = schedule("none")
"""
ENTRY_POINTS = """
[ocr_trainer.optimizers]
matrices = acme:matrices
forgetful = acme:forgetful
greedy = acme:greedy
failing = acme:failing
none = acme:none

[ocr_trainer.schedules]
gap = acme:gap
negative = acme:negative
text = acme:text
raising = acme:raising
late = acme:late
none = acme:none_schedule
"""
PROVIDED = "\n  provided by acme 1.0"


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path) -> Iterator[None]:
    with visible(tmp_path / "site") as site:
        install(site, "acme", ENTRY_POINTS, SOURCE)
        discovery.installed.cache_clear()
        yield


MESSAGES = {
    "optimizer=matrices": (
        "ocr-train: optimizer=matrices refuses parameter group 1 of 2: Muon only supports 2D parameters whereas we"
        " found a parameter with size: torch.Size(["
    ),
    "optimizer=forgetful": (
        "the optimizer plugin 'forgetful' cannot be used: the optimizer that its factory returns leaves out "
        "features.stages.0.norm.weight, features.stages.0.norm.bias, features.stages.1.norm.weight and "
    ),
    "optimizer=greedy": (
        "the optimizer plugin 'greedy' cannot be used: the optimizer that its factory returns has parameters that it"
        " was not given"
    ),
    "optimizer=failing": "its factory fails with AttributeError: 'OptimizerConfig' object has no attribute",
    "optimizer=none": "its factory returns a NoneType, which cannot be used as an optimizer",
    "schedule=gap": (
        "the schedule plugin 'gap' cannot be used: at step 7 of 12, it returns nan; a learning rate is a finite "
        "number from 0 up, relative to the peak"
    ),
    "schedule=negative": "at step 0 of 12, it returns -0.5; a learning rate",
    "schedule=text": "at step 0 of 12, it returns 'high'; a learning rate",
    "schedule=raising": "at step 12 of 12, it fails with ZeroDivisionError: division by zero",
    "schedule=none": "its factory returns a NoneType, which cannot be used as a schedule",
}


@pytest.mark.parametrize("choice", MESSAGES)
def test_one_message_before_the_first_step(
    choice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ocr_train(tmp_path, [*RECOGNIZER, choice]) == 2
    error = capsys.readouterr().err
    assert MESSAGES[choice] in error
    assert PROVIDED in error
    assert "Traceback" not in error
    assert list(tmp_path.glob("runs/*/*/checkpoints/*.ckpt")) == []


def test_a_refused_group_is_shown_with_names_and_shapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ocr_train(tmp_path, [*RECOGNIZER, "optimizer=matrices"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-3].startswith("  its parameters: features.stages.0.conv.weight (")
    assert lines[-3].endswith(" more")
    assert lines[-1] == "  choose an optimizer for parameters of any shape, such as optimizer=adamw"


def test_a_schedule_that_goes_wrong_within_the_run_keeps_the_last_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ocr_train(tmp_path, [*RECOGNIZER, "schedule=late", "checkpoint.every_n_steps=2"]) == 2
    assert "at step 3 of 12, it returns inf" in capsys.readouterr().err
    (last,) = tmp_path.glob("runs/*/*/checkpoints/last.ckpt")
    assert read(last)["global_step"] == 2


def one_group(model: CRNN, _config: OptimizerConfig) -> list[dict[str, Any]]:
    return [{"params": list(model.parameters()), "weight_decay": 0.0}]


def test_the_state_of_other_groups_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cut_off(tmp_path, RECOGNIZER, Cut("on_train_batch_end", 3))
    # As after an update of the model.
    monkeypatch.setattr(CRNN, "parameter_groups", one_group, raising=False)
    assert ocr_train(tmp_path, ["resume", str(folder)]) == 2
    assert "the checkpoint has the state of an optimizer with groups of [" in capsys.readouterr().err


def test_a_run_that_is_resumed_keeps_its_checkpoint(tmp_path: Path) -> None:
    folder = cut_off(tmp_path, RECOGNIZER, Cut("on_train_batch_end", 3))
    before = (folder / "checkpoints" / "last.ckpt").read_bytes()
    assert ocr_train(tmp_path, ["resume", str(folder), "schedule=gap"]) == 2
    assert (folder / "checkpoints" / "last.ckpt").read_bytes() == before

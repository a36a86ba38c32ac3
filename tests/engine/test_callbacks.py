"""Callbacks of plugins: what fails costs one message and nothing else, and a state comes back when a run resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.callbacks import acme_callbacks
from helpers.cutting import RECOGNIZER, differ, ocr_train, telling_scores
from helpers.launching import run_folder

from ocr_trainer.checkpoint.read import LAST, read
from ocr_trainer.tasks.recognition.task import RecognitionTask

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
ACME = "the callback 'unruly' (acme-callbacks 1.0)"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that no callback has disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with telling_scores(RecognitionTask):
        assert ocr_train(folder, RECOGNIZER) == 0
    return run_folder(folder)


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path) -> Iterator[None]:
    with acme_callbacks(tmp_path / "acme"), telling_scores(RecognitionTask):
        yield


def harm(hook: str, call: int = 1, how: str = "fail", *words: str) -> list[str]:
    options = {"hook": hook, "call": call, "how": how}
    return [
        *RECOGNIZER,
        "callback=[unruly]",
        *(f"callback.unruly.{k}={v}" for k, v in options.items()),
        *words,
    ]


def saved_step(folder: Path) -> int:
    return int(read(folder / "checkpoints" / LAST)["global_step"])


@pytest.mark.parametrize(
    ("hook", "call", "step"),
    [
        ("on_train_batch_end", 3, 3),  # the step is taken
        ("on_train_batch_start", 3, 2),
        ("on_before_backward", 4, 3),
        ("on_before_optimizer_step", 5, 4),  # after a forward pass, which counts in BatchNorm
        ("on_before_zero_grad", 9, 8),
        ("on_train_batch_end", 6, 6),  # a validation comes next
        ("on_validation_batch_start", 1, 6),  # saved before
        ("on_train_epoch_end", 2, 12),
    ],
)
def test_nothing_is_lost_when_a_callback_raises(
    hook: str, call: int, step: int, whole: Path, tmp_path: Path, capsys
):
    assert ocr_train(tmp_path, harm(hook, call)) == 2
    folder = run_folder(tmp_path)
    last = capsys.readouterr().err.splitlines()[-2:]
    assert last == [
        f"ocr-train: {ACME} raised in {hook}: ValueError: bad luck",
        f"  the run can be resumed, with the callback or without it: ocr-train resume {folder}",
    ]
    assert saved_step(folder) == step
    assert not (folder / "report.json").exists()
    assert ocr_train(tmp_path, ["resume", str(folder), "callback=[]"]) == 0
    assert differ(whole, folder) == []


def test_nothing_is_lost_within_accumulated_gradients(tmp_path: Path):
    words = ["trainer.accumulate_grad_batches=4", "ema.enabled=true"]
    for number, (hook, call) in enumerate([("on_train_batch_end", 5), ("on_train_batch_start", 9)]):
        here = tmp_path / str(number)
        assert ocr_train(here, harm(hook, call, "fail", *words)) == 2
        assert saved_step(run_folder(here)) == 1 + 2 * number - number
        assert ocr_train(here, ["resume", str(run_folder(here)), "callback=[]"]) == 0
    assert ocr_train(tmp_path / "whole", [*RECOGNIZER, *words]) == 0
    whole = run_folder(tmp_path / "whole")
    assert [differ(whole, run_folder(tmp_path / n)) for n in "01"] == [[], []]


@pytest.mark.parametrize(
    ("hook", "how", "status", "reason"),
    [
        ("setup", "fail", 2, f"{ACME} raised in setup: ValueError: bad luck"),
        ("on_fit_start", "leave", 2, f"{ACME} raised in on_fit_start: SystemExit: 3"),
        ("on_train_batch_start", "stop_iteration", 2, f"{ACME} raised in on_train_batch_start: StopIteration"),
        ("on_train_start", "of_the_user", 2, "ocr-train: the option is impossible"),
        ("teardown", "fail", 2, f"{ACME} raised in teardown: ValueError: bad luck"),
        ("on_test_start", "fail", 2, f"{ACME} raised in on_test_start: ValueError: bad luck"),
        ("state_dict", "unreadable", 2, f"{ACME} cannot be saved: its state contains a pathlib.PosixPath"),
        ("on_save_checkpoint", "hoard", 2, "what it adds to the checkpoint as 'acme' contains a builtins.set"),
    ],
)
def test_each_failure_is_one_message(hook: str, how: str, status: int, reason: str, tmp_path: Path, capsys):
    words = harm(hook, 1, how)
    words.remove("trainer.limit_test_batches=0")
    assert ocr_train(tmp_path, words) == status
    told = capsys.readouterr().err
    assert reason in told
    assert "Traceback" not in told
    folder = run_folder(tmp_path)
    assert ocr_train(tmp_path, ["resume", str(folder), "callback=[]"]) == 0
    assert (folder / "report.json").exists()


def test_a_state_that_cannot_be_saved_costs_no_step(tmp_path: Path):
    assert ocr_train(tmp_path, harm("state_dict", 0, "unreadable")) == 2
    # It is asked for the first time after the sixth step.
    assert saved_step(run_folder(tmp_path)) == 6


def test_a_failure_while_a_run_ends_does_not_replace_its_reason(tmp_path: Path, caplog, capsys):
    words = ["callback=[other,unruly]", "callback.other.key=o", "callback.other.hook=on_train_batch_end"]
    words += ["callback.unruly.hook=on_exception"]
    assert ocr_train(tmp_path, [*RECOGNIZER, *words]) == 2
    assert "the callback 'other' (acme-callbacks 1.0) raised in on_train_batch_end" in capsys.readouterr().err
    assert f"{ACME} also failed in on_exception: ValueError: bad luck" in caplog.text


def test_an_interrupt_passes_through(tmp_path: Path):
    with pytest.raises(SystemExit):
        ocr_train(tmp_path, harm("on_train_batch_end", 3, "interrupt"))

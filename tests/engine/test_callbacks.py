"""Callbacks of plugins: what fails costs one message and nothing else, and a state comes back when a run resumes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from helpers import two_ranks
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
    assert [place for place in differ(whole, folder) if "/config/callback" not in place] == []


@pytest.mark.parametrize(
    ("hook", "call", "step"), [("on_train_batch_end", 5, 1), ("on_train_batch_start", 9, 2)]
)
def test_nothing_is_lost_within_accumulated_gradients(hook: str, call: int, step: int, tmp_path: Path):
    words = ["trainer.accumulate_grad_batches=4", "ema.enabled=true"]
    assert ocr_train(tmp_path / "cut", harm(hook, call, "fail", *words)) == 2
    folder = run_folder(tmp_path / "cut")
    assert saved_step(folder) == step
    assert ocr_train(tmp_path / "cut", ["resume", str(folder), "callback=[]"]) == 0
    assert ocr_train(tmp_path / "whole", [*RECOGNIZER, *words]) == 0
    differences = differ(run_folder(tmp_path / "whole"), folder)
    assert [place for place in differences if "/config/callback" not in place] == []


@pytest.mark.parametrize(
    ("hook", "how", "status", "reason"),
    [
        ("setup", "fail", 2, f"{ACME} raised in setup: ValueError: bad luck"),
        ("on_fit_start", "leave", 2, f"{ACME} raised in on_fit_start: SystemExit: 3"),
        (
            "on_train_batch_start",
            "stop_iteration",
            2,
            f"{ACME} raised in on_train_batch_start: StopIteration",
        ),
        ("on_train_start", "of_the_user", 2, "ocr-train: the option is impossible"),
        ("teardown", "fail", 2, f"{ACME} raised in teardown: ValueError: bad luck"),
        ("on_test_start", "fail", 2, f"{ACME} raised in on_test_start: ValueError: bad luck"),
        ("state_dict", "unreadable", 2, f"{ACME} cannot be saved: its state contains a pathlib.PosixPath"),
        (
            "on_save_checkpoint",
            "hoard",
            2,
            "what it adds to the checkpoint as 'acme' contains a builtins.set",
        ),
    ],
)
def test_each_failure_is_one_message(hook: str, how: str, status: int, reason: str, tmp_path: Path, capsys):
    words = harm(hook, 1, how, "trainer.max_epochs=1")
    words.remove("trainer.limit_test_batches=0")
    assert ocr_train(tmp_path, words) == status
    told = capsys.readouterr().err
    assert reason in told
    assert "Traceback" not in told
    assert not (run_folder(tmp_path) / "report.json").exists()


def test_a_run_resumes_that_failed_before_its_first_step(tmp_path: Path):
    assert ocr_train(tmp_path, harm("setup", 1)) == 2
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


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("narrower", "changes the images of a batch in on_train_batch_start: images 1"),
        ("floating", "the images must be uint8 of 4 dimensions on cpu, not float32 of 4 dimensions on cpu"),
        ("fewer", "the images has 3 rows instead of 4"),
        ("untied", "the target"),
    ],
)
def test_a_batch_that_no_longer_fits_is_refused(how: str, reason: str, tmp_path: Path, capsys):
    assert ocr_train(tmp_path, harm("on_train_batch_start", 2, how)) == 2
    told = capsys.readouterr().err
    assert f"{ACME} changes the " in told
    assert reason in told
    assert saved_step(run_folder(tmp_path)) == 1


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_validation_batch_start", "on_test_batch_start"])
def test_a_changed_batch_is_noted_once(hook: str, tmp_path: Path, capsys):
    words = harm(hook, 0, "brighter", "trainer.max_epochs=1")
    words.remove("trainer.limit_test_batches=0")
    assert ocr_train(tmp_path, words) == 0
    note = f"{ACME} changes batches in {hook}: images"
    assert capsys.readouterr().out.count(f"note: {note}") == 1
    assert json.loads((run_folder(tmp_path) / "report.json").read_text("utf-8"))["notes"] == [note]


def test_states_are_saved_and_other_callbacks_may_resume(whole: Path, tmp_path: Path, capsys):
    words = ["callback=[counter,unruly]", "callback.unruly.call=4"]
    assert ocr_train(tmp_path, [*RECOGNIZER, *words]) == 2
    folder = run_folder(tmp_path)
    capsys.readouterr()
    assert (
        ocr_train(tmp_path, ["resume", str(folder), "callback=[counter,unruly]", "callback.unruly.call=3"])
        == 2
    )
    assert "counter resumes at 4" in capsys.readouterr().out
    assert saved_step(folder) == 7
    assert ocr_train(tmp_path, ["resume", str(folder), "callback=[grad_norm]"]) == 0
    told = capsys.readouterr().err
    assert "dropped the state of callbacks that are in last.ckpt, but not in this run: Counter\n" in told
    # The best checkpoint is from before.
    assert [place for place in differ(whole, folder) if "/callback" not in place] == []


def test_early_stopping_turned_off_is_no_dropped_state(tmp_path: Path, capsys):
    words = ["early_stopping.enabled=true", *harm("on_train_batch_end", 8)[len(RECOGNIZER) :]]
    assert ocr_train(tmp_path, [*RECOGNIZER, *words]) == 2
    folder = run_folder(tmp_path)
    assert ocr_train(tmp_path, ["resume", str(folder), "callback=[]", "early_stopping.enabled=false"]) == 0
    assert "dropped" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["callback=[keeper]"],
            "it writes checkpoints, which the trainer does itself: see checkpoint.every_n_steps",
        ),
        (["callback=[nothing]"], "its factory returns a object, which cannot be used as a callback"),
        (
            ["callback=[unruly,other]", *(f"callback.{n}.hook=state_dict" for n in ("unruly", "other"))],
            f"{ACME} and the callback 'other' (acme-callbacks 1.0) save their states under one key, 'Unruly'",
        ),
        (
            ["callback=[unruly]", "callback.unruly.hook=state_dict", "callback.unruly.key=NonfiniteGuard"],
            f"the trainer's own NonfiniteGuard and {ACME} save their states under one key, 'NonfiniteGuard'",
        ),
        (
            ["callback=[lr_moniter]"],
            "no callback plugin named 'lr_moniter' is installed. Did you mean 'lr_monitor'?",
        ),
        (["callback=[grad_norm]", "callback.grad_norm.every=0"], "callback.grad_norm.every"),
        (["callback=[bar]", "trainer.enable_progress_bar=false"], "`TQDMProgressBar`"),
    ],
)
def test_callbacks_that_cannot_be(words: list[str], reason: str, tmp_path: Path, capsys):
    assert ocr_train(tmp_path, [*RECOGNIZER, *words]) == 2
    told = capsys.readouterr().err
    assert reason in told
    assert "Traceback" not in told


def test_a_progress_bar_of_a_plugin_replaces_ours(tmp_path: Path, capsys):
    words = [word for word in RECOGNIZER if word != "trainer.enable_progress_bar=false"]
    assert ocr_train(tmp_path, [*words, "callback=[bar]", "trainer.max_steps=1"]) == 0
    assert "Epoch 0" in capsys.readouterr().out


def fails_in(rank: int, place: Path, folder: Path) -> list[int]:
    """Train in two processes, of which one (-1: both) fails after the second step; return how they ended."""
    brief = [word for word in RECOGNIZER if not word.startswith("data.num_workers")]
    words = [*brief, *two_ranks.TWO, *harm("on_train_batch_end", 2)[len(RECOGNIZER) :]]
    words.append(f"callback.unruly.rank={rank}")
    return two_ranks.forked(words, folder, change=partial(sys.path.insert, 0, str(place)))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("rank", [-1, 0, 1])
def test_no_process_hangs_and_no_step_is_lost(rank: int, tmp_path: Path):
    assert fails_in(rank, tmp_path / "acme", tmp_path / "run") == [2, 2]
    told = (tmp_path / "run" / "output.txt").read_text("utf-8")
    assert f"{ACME} raised in on_train_batch_end: ValueError: bad luck" in told
    assert "Traceback" not in told
    assert saved_step(run_folder(tmp_path / "run")) == 2

"""Runs that are cut off and gone on with end as those that never stopped: their checkpoints are equal, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import cutting
from helpers.cutting import DETECTOR, RECOGNIZER, Cut, checkpoints, cut_off, differ, ocr_train, telling_scores
from helpers.launching import run_folder
from lightning.pytorch.plugins import MixedPrecision

from ocr_trainer.checkpoint.read import read
from ocr_trainer.engine import build
from ocr_trainer.tasks.detection.task import DetectionTask
from ocr_trainer.tasks.recognition.task import RecognitionTask

Place = tuple[str, int]
STEP, SCORING = "on_train_batch_end", "on_validation_batch_end"
"""Six batches make an epoch of the recognizer, two make a validation."""


@pytest.fixture(autouse=True)
def _scores() -> Iterator[None]:
    with telling_scores(RecognitionTask), telling_scores(DetectionTask):
        yield


def goes_on_exactly(place: Path, words: list[str], *cuts: Place, kill: bool = False) -> Path:
    """Train without a break and with one at each of the places, and compare; return the unbroken run."""
    assert ocr_train(place / "whole", words) == 0
    whole = run_folder(place / "whole")
    for hook, call in cuts:
        here = place / f"{hook}-{call}"
        folder = cut_off(here, words, Cut(hook, call, kill))
        assert not (folder / "report.json").exists()
        assert ocr_train(here, ["resume", str(folder)]) == 0
        assert differ(whole, folder) == [], (hook, call)
        assert [path.name for path in folder.rglob(".*")] == [".lock"]
    return whole


def test_case_10_a_signal_anywhere(tmp_path: Path):
    places = [(STEP, 1), (STEP, 3), (STEP, 6), (SCORING, 1), (STEP, 12)]
    whole = goes_on_exactly(tmp_path, RECOGNIZER, *places)
    # What is compared depends on what was learned.
    assert ocr_train(tmp_path / "other", [*RECOGNIZER, "seed=1"]) == 0
    assert len(differ(whole, run_folder(tmp_path / "other"))) > 100


def test_case_10_killed_anywhere(tmp_path: Path):
    words = [*RECOGNIZER, "checkpoint.every_n_steps=2"]
    goes_on_exactly(tmp_path, words, (STEP, 1), (STEP, 5), (SCORING, 1), (STEP, 9), kill=True)


def test_case_10_a_signal_within_a_step_of_several_batches(tmp_path: Path):
    words = [*RECOGNIZER, "trainer.accumulate_grad_batches=2"]
    assert ocr_train(tmp_path / "whole", words) == 0
    folder = cut_off(tmp_path / "cut", words, Cut("on_train_batch_start", 3))
    place = read(folder / "checkpoints" / "last.ckpt")
    # The step was finished first.
    assert (place["global_step"], place["ocr_trainer"]["place"]["batches"]) == (2, 4)
    assert ocr_train(tmp_path / "cut", ["resume", str(folder)]) == 0
    assert differ(run_folder(tmp_path / "whole"), folder) == []


VARIANTS: dict[str, tuple[list[str], list[Place]]] = {
    "average": (["ema.enabled=true", "schedule=one_cycle"], [(STEP, 2), (SCORING, 1)]),
    "two_validations": (["trainer.val_check_interval=0.5"], [(SCORING, 1), (STEP, 4)]),
    "pools_cut_short": (["trainer.limit_train_batches=5"], [(STEP, 5)]),
    "workers": (["data.num_workers=2"], [(STEP, 3)]),
}
SLOW: dict[str, tuple[list[str], list[Place]]] = {
    "steps_alone": (["trainer.max_epochs=-1", "trainer.max_steps=9"], [(STEP, 9)]),
    "no_validation": (["trainer.limit_val_batches=0"], [(STEP, 6)]),
    "more_pools": (["trainer.limit_train_batches=5"], [(STEP, 3), (STEP, 6)]),
    "more_steps": (["trainer.max_epochs=-1", "trainer.max_steps=9"], [(STEP, 6), (STEP, 8)]),
    "never_validated": (["trainer.limit_val_batches=0"], [(STEP, 7), (STEP, 12)]),
    "validated_by_steps": (
        ["trainer.val_check_interval=4", "trainer.check_val_every_n_epoch=null"],
        [(STEP, 4), (SCORING, 1), (STEP, 8)],
    ),
    "each_second_epoch": (
        ["trainer.check_val_every_n_epoch=2", "trainer.max_epochs=3"],
        [(STEP, 6), (STEP, 7), (STEP, 12), (SCORING, 1), (STEP, 18)],
    ),
    "validated_within_a_step": (
        ["trainer.accumulate_grad_batches=4", "trainer.val_check_interval=3"],
        [(STEP, 4), (SCORING, 1), (SCORING, 3), (STEP, 10)],
    ),
    "left_over": (["trainer.accumulate_grad_batches=4"], [(STEP, 4), (STEP, 6), (STEP, 10)]),
    "sanity": (["trainer.num_sanity_val_steps=2"], [(STEP, 2), (SCORING, 1)]),
    "loaders_anew": (["trainer.reload_dataloaders_every_n_epochs=1"], [(STEP, 2), (STEP, 8)]),
    "sgd": (["optimizer=sgd", "trainer.gradient_clip_val=0.5", "schedule=poly"], [(STEP, 2)]),
    "bf16": (["trainer.precision=bf16-mixed"], [(STEP, 2), (STEP, 6)]),
    "dropout": (["model.dropout=0.3"], [(STEP, 2), (STEP, 6)]),
    "parseq": (["model=parseq", "model.size=tiny"], [(STEP, 1), (STEP, 6), (STEP, 8)]),
    "svtrv2": (["model=svtrv2", "model.size=tiny"], [(STEP, 1), (STEP, 6), (STEP, 8)]),
    "all_places_with_workers": (["data.num_workers=2"], [(STEP, n) for n in range(1, 13)] + [(SCORING, 1)]),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_case_10_variants(name: str, tmp_path: Path):
    words, cuts = VARIANTS[name]
    goes_on_exactly(tmp_path, [*RECOGNIZER, *words], *cuts)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_case_10_more_variants(name: str, tmp_path: Path):
    words, cuts = SLOW[name]
    other = (
        [word for word in RECOGNIZER if not word.startswith("model")] if "model=" in words[0] else RECOGNIZER
    )
    goes_on_exactly(tmp_path, [*other, *words], *cuts)


def test_case_13_a_detector_and_its_average(tmp_path: Path):
    whole = goes_on_exactly(tmp_path, [*DETECTOR, "ema.enabled=true"], (STEP, 3))
    last = checkpoints(whole)["last.ckpt"]
    moving = last["current_model_state"]
    assert any(not torch.equal(value, last["state_dict"][name]) for name, value in moving.items())
    assert last["lr_schedulers"][0]["last_epoch"] == last["global_step"] == 4
    assert len(last["optimizer_states"][0]["state"]) > 60


# Lightning's, where early stopping was switched off: what it had counted is not needed.
@pytest.mark.filterwarnings("ignore:Be aware that when using .ckpt_path.")
@pytest.mark.slow
def test_case_13_early_stopping_counts_on(tmp_path: Path):
    words = [*RECOGNIZER, "trainer.max_epochs=9", "early_stopping.enabled=true", "early_stopping.patience=2"]
    whole = goes_on_exactly(tmp_path, words, (STEP, 8), (SCORING, 3))
    kept = checkpoints(whole)
    (stopper,) = (state for state in kept["last.ckpt"]["callbacks"].values() if "wait_count" in state)
    # The last state is of before the validation that ended the run.
    assert stopper["wait_count"] == 1
    assert kept["last.ckpt"]["epoch"] < 8
    best = kept["last.ckpt"]["ocr_trainer"]["best_scores"]["val/ned_mean"]
    assert 0 < best == pytest.approx(float(stopper["best_score"]), rel=1e-6)
    # It ended for want of patience; with more it goes on.
    folder = run_folder(tmp_path / f"{STEP}-8")
    epochs = kept["last.ckpt"]["epoch"]
    more = ["resume", str(folder), "early_stopping.patience=9", f"trainer.max_epochs={epochs + 2}"]
    assert ocr_train(tmp_path, more) == 0
    assert checkpoints(folder)["last.ckpt"]["epoch"] == epochs + 1
    off = ["resume", str(folder), "early_stopping.enabled=false", f"trainer.max_epochs={epochs + 3}"]
    assert ocr_train(tmp_path, off) == 0
    assert checkpoints(folder)["last.ckpt"]["epoch"] == epochs + 2


@pytest.fixture
def _scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have losses scaled on the CPU, too, where Lightning does not."""
    make: Callable[..., Any] = build.make_trainer

    def scaled(**options: Any) -> Any:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
        return make(**options | {"plugins": [*options["plugins"], MixedPrecision("16-mixed", "cpu", scaler)]})

    monkeypatch.setattr(build, "make_trainer", scaled)


@pytest.mark.slow  # float16 is computed bit by bit on a CPU
@pytest.mark.usefixtures("_scaled")
def test_case_13_the_gradient_scaler(tmp_path: Path):
    words = [
        *RECOGNIZER,
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=3",
        "trainer.limit_val_batches=1",
    ]
    whole = goes_on_exactly(tmp_path, words, (STEP, 1))
    scaler = checkpoints(whole)["last.ckpt"]["MixedPrecision"]
    assert (scaler["scale"], scaler["_growth_tracker"]) == (2.0**11, 1)


def test_case_10_killed_after_training(tmp_path: Path):
    """What comes after is done anew, and no step is taken."""
    words = [word for word in DETECTOR if not word.startswith(("calibrate", "trainer.limit_test"))]
    words += ["trainer.max_epochs=1", "dataset.test_pages=1"]
    folder = cut_off(tmp_path, words, Cut("on_test_start", 1, kill=True))
    before = checkpoints(folder)
    steps = Cut("on_train_batch_end", 10**6)
    assert ocr_train(tmp_path, ["resume", str(folder)], steps) == 0
    assert steps.left == 10**6
    assert (folder / "report.json").is_file()
    assert cutting.differences(before["last.ckpt"], checkpoints(folder)["last.ckpt"]) == []


def test_case_10_a_finished_run_is_trained_on(tmp_path: Path):
    """With a rate that does not go by the length of the run, as if it had been longer from the start."""
    words = [*RECOGNIZER, "schedule=constant", "schedule.warmup=0"]
    assert ocr_train(tmp_path / "long", [*words, "trainer.max_epochs=3"]) == 0
    assert ocr_train(tmp_path / "short", words) == 0
    folder = run_folder(tmp_path / "short")
    assert ocr_train(tmp_path / "short", ["resume", str(folder), "trainer.max_epochs=3"]) == 0
    found = differ(run_folder(tmp_path / "long"), folder)
    assert found == [] or set(found) == {"/best.ckpt/ocr_trainer/config/trainer/max_epochs"}
    assert (folder / "report.before.json").is_file()


def test_case_10_checkpoints_that_are_not_wanted_are_not_waited_for(tmp_path: Path):
    words = [*RECOGNIZER, "trainer.enable_checkpointing=false"]
    folder = cut_off(tmp_path, words, Cut(SCORING, 1))
    assert not (folder / "checkpoints").exists()
    assert ocr_train(tmp_path, ["resume", str(folder)]) == 0

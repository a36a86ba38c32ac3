"""Two processes learn what one with the doubled batch learns, of each sample once, and go on where they were."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.launching import TINY, differences, run_folder
from helpers.two_ranks import TWO, forked, sums_of_images

from ocr_trainer.checkpoint.read import LAST, PREVIOUS, read
from ocr_trainer.data import loader
from ocr_trainer.data.loader import KeyedSampler
from ocr_trainer.engine.distributed import AGENT, share_choice
from ocr_trainer.errors import ConfigError

PAGES = [
    *(*TINY, "dataset.train_pages=13", "dataset.val_pages=5", "dataset.test_pages=3"),
    "trainer.max_epochs=2",
]
WORDS = [
    *("model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.charsets=[digits]", "logger=[csv]"),
    *("dataset.text.train_texts=33", "dataset.text.val_texts=9", "dataset.text.test_texts=7"),
    *("trainer.max_epochs=2", "data.num_workers=0", "trainer.accelerator=cpu"),
]
"""Texts to read, by a network that is quickly trained: 8 steps of two processes, with batches of 4."""
PLAIN = ["optimizer=sgd", "optimizer.lr=0.01", "ema.enabled=false", "trainer.accelerator=cpu"]
TOLERANCE = 1e-4
"""Of what the weights moved; measured: 8e-6, for detection and for recognition."""


def report(folder: Path) -> dict[str, Any]:
    """Return what a run below a folder says of itself."""
    told: dict[str, Any] = json.loads((run_folder(folder) / "report.json").read_text(encoding="utf-8"))
    return told


def readings_from_right_to_left() -> None:
    """Score the texts reversed, whatever the network reads: it is far from reading anything."""
    from ocr_trainer.data.types import Recognition
    from ocr_trainer.tasks.recognition.task import RecognitionTask

    def score_batch(task: Any, batch: Any) -> None:
        for truth in batch.ground_truths:
            scores = np.zeros(len(truth.text), dtype=np.float32)
            task.metrics.update(Recognition(truth.text[::-1], scores, 0.0), truth)

    RecognitionTask.score_batch = score_batch  # type: ignore[method-assign]


def comparable() -> None:
    sums_of_images()
    readings_from_right_to_left()


@pytest.mark.parametrize(
    ("words", "batch"),
    [
        pytest.param([*PAGES, "model.box_threshold=0.1"], 4, id="detection", marks=pytest.mark.slow),
        pytest.param([*WORDS, "data.bucket_batches=1", "trainer.limit_train_batches=4"], 8, id="recognition"),
    ],
)
def test_two_ranks_are_one_process_with_the_doubled_batch(words: list[str], batch: int, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert forked([*words, *PLAIN, f"data.batch_size={batch}"], one, 1, comparable) == [0]
    assert forked([*words, *PLAIN, f"data.batch_size={batch // 2}", *TWO], two, 2, comparable) == [0, 0]
    told = report(one), report(two)
    for figure in ("scores", "details", "steps", "epochs", "skipped"):
        assert told[0][figure] == told[1][figure], figure
    assert any(0 < score < 1 for score in told[0]["scores"].values()), told[0]["scores"]
    ends = [read(run_folder(folder) / "checkpoints" / LAST)["state_dict"] for folder in (one, two)]
    start = read(run_folder(one) / "checkpoints" / PREVIOUS)["state_dict"]
    moved = sum(float((ends[0][name] - start[name]).norm()) for name in start if "num_batches" not in name)
    apart = sum(float((ends[0][name] - ends[1][name]).norm()) for name in start if "num_batches" not in name)
    print(f"apart {apart:.3g}, moved {moved:.3g}, ratio {apart / moved:.3g}")
    assert moved > 0
    assert apart <= TOLERANCE * moved
    assert (two / "output.txt").read_text(encoding="utf-8").count("best checkpoint") == 1


@pytest.mark.parametrize("length", [13, 16, 35])
def test_ranks_share_every_step_of_one_process(length: int, monkeypatch: pytest.MonkeyPatch):
    def keys(rank: int, ranks: int, batch_size: int) -> list[tuple[int, int]]:
        monkeypatch.setattr(loader, "rank_and_world_size", lambda: (rank, ranks))
        mine = KeyedSampler(length, seed=3, shuffle=True, batch_size=batch_size)
        mine.set_epoch(2)
        assert len(list(mine)) == len(mine)
        return list(mine)

    for ranks in (2, 3):
        single = keys(0, 1, batch_size=2 * ranks)
        shares = [keys(rank, ranks, batch_size=2) for rank in range(ranks)]
        assert len({len(share) for share in shares}) == 1
        learned = list(chain(*shares))
        assert len(learned) == len(set(learned)) > length - 2 * ranks
        for step in range(len(single) // (2 * ranks)):
            together = chain(*(share[2 * step : 2 * step + 2] for share in shares))
            assert set(together) == set(single[2 * ranks * step : 2 * ranks * (step + 1)])


def stopping_at(step: int) -> None:
    """Have a process be told to end when a step is done."""
    from ocr_trainer.checkpoint.callback import CheckpointCallback

    done = CheckpointCallback.after_batch

    def after_batch(keeper: CheckpointCallback, trainer: Any) -> None:
        if trainer.global_step == step and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        done(keeper, trainer)

    CheckpointCallback.after_batch = after_batch  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        pytest.param([*WORDS, "data.batch_size=4"], (3,), id="recognition"),
        pytest.param([*WORDS, "data.batch_size=4"], (1, 4, 7), id="3-points", marks=pytest.mark.slow),
        pytest.param(PAGES, (1, 3, 5), id="detection", marks=pytest.mark.slow),
    ],
)
def test_case_15_two_ranks_go_on_exactly(words: list[str], steps: tuple[int, ...], tmp_path: Path):
    assert forked([*words, *TWO], tmp_path / "unbroken") == [0, 0]
    unbroken = read(run_folder(tmp_path / "unbroken") / "checkpoints" / LAST)
    for step in steps:
        folder = tmp_path / str(step)
        assert forked([*words, *TWO], folder, change=partial(stopping_at, step)) == [143, 143]
        run = run_folder(folder)
        assert read(run / "checkpoints" / LAST)["global_step"] == step
        assert forked(["resume", str(run)], folder) == [0, 0], (folder / "output.txt").read_text("utf-8")
        resumed = read(run / "checkpoints" / LAST)
        assert resumed["global_step"] == unbroken["global_step"] > step
        assert differences(unbroken, resumed) == []
        assert report(folder)["scores"] == report(tmp_path / "unbroken")["scores"]


def nothing_for_the_second() -> None:
    """Leave one of the two processes without anything to learn."""
    from ocr_trainer.data.split import Unusable
    from ocr_trainer.tasks.recognition.data import RecognitionSet

    def encode(*_: Any) -> Any:
        raise Unusable("text", "not for this process")

    if os.environ["RANK"] == "1":
        RecognitionSet.encode = encode  # type: ignore[method-assign]


def test_a_rank_without_images_keeps_in_step(tmp_path: Path):
    words = [*WORDS, *TWO, "data.batch_size=4", "trainer.max_epochs=1"]
    assert forked(words, tmp_path, change=nothing_for_the_second) == [0, 0]
    told = report(tmp_path)
    assert told["steps"] == 4
    # The first process tells what the second met.
    assert told["skipped"]["texts"] == 33


def test_each_rank_needs_a_sample(tmp_path: Path):
    words = [*WORDS, *TWO, "dataset.text.val_texts=1"]
    assert forked(words, tmp_path) == [2, 2]
    said = (tmp_path / "output.txt").read_text(encoding="utf-8")
    assert "the val split has 1 sample for 2 processes: each needs one" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({}, "MASTER_ADDR, MASTER_PORT, RANK, LOCAL_RANK, WORLD_SIZE is missing or no number"),
        ({"MASTER_ADDR": "here", "MASTER_PORT": "1", "RANK": "0", "LOCAL_RANK": "0"}, "but WORLD_SIZE is"),
        (
            {"MASTER_ADDR": "a", "MASTER_PORT": "x", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
            "but MASTER_PORT is",
        ),
    ],
)
def test_variables_of_torchrun_without_its_agent(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wrong: str
):
    for name in AGENT:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=wrong):
        share_choice(lambda _: None)

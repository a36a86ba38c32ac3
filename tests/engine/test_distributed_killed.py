"""Two processes that train together, and one of them, or all, are killed, halted or told to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from helpers.launching import TINY, differences, run_folder
from helpers.two_ranks import TWO, Launched

from ocr_trainer.checkpoint.read import LAST, read

WORDS = [
    *(*TINY, *TWO, "calibrate.enabled=false", "trainer.limit_test_batches=0", "dataset.val_pages=2"),
    *("dataset.train_pages=12", "data.batch_size=1", "checkpoint.every_n_steps=1"),
]
"""18 steps of two processes."""
ENDLESS = [*WORDS, "trainer.max_epochs=200"]

ALL = -1
FAULTS = [
    (launcher, number, rank)
    for launcher in ("lightning", "torchrun")
    for number in ("SIGKILL", "SIGTERM", "SIGSTOP")
    for rank in (0, 1, ALL)
    if (number, rank) not in (("SIGSTOP", ALL), ("SIGKILL", ALL))
]
ORDINARY = [("lightning", "SIGTERM", ALL)]


@pytest.mark.parametrize(
    ("launcher", "number", "rank"),
    [pytest.param(*fault, marks=() if fault in ORDINARY else pytest.mark.slow) for fault in FAULTS],
)
def test_case_25_no_process_outlives_or_waits_for_another(
    launcher: str, number: str, rank: int, tmp_path: Path
):
    started = Launched(launcher, ENDLESS, tmp_path)
    try:
        folder = started.wait_for_step(3)
        for process in started.living() if rank == ALL else [started.process_of(rank)]:
            os.kill(process, signal.Signals[number])
    finally:
        status, took, left = started.end()
    said = started.said
    print(f"{launcher} {number} rank {rank}: status {status}, {took:.1f} s, {len(left)} left")
    assert not left, said
    assert status != 0, said
    kept = read(folder / "checkpoints" / LAST)
    assert kept["global_step"] >= 3
    if number == "SIGTERM" and launcher == "lightning":
        assert status == 143, said
        assert "to resume: ocr-train resume" in said


@pytest.mark.slow
def test_case_26_torchrun_starts_killed_processes_again(tmp_path: Path):
    unbroken = Launched("torchrun", WORDS, tmp_path / "unbroken")
    assert unbroken.end(180)[0] == 0, unbroken.said
    killed = Launched("torchrun", WORDS, tmp_path / "killed", "--max-restarts=2")
    try:
        for step, rank in ((3, 1), (9, 0)):
            killed.wait_for_step(step, 120)
            os.kill(killed.process_of(rank), signal.SIGKILL)
    finally:
        status, _, left = killed.end(180)
    assert (status, left) == (0, []), killed.said
    first, second = (
        read(run_folder(tmp_path / name) / "checkpoints" / LAST) for name in ("unbroken", "killed")
    )
    assert first["global_step"] == 18
    assert not differences(first["state_dict"], second["state_dict"])
    assert not differences(first["optimizer_states"], second["optimizer_states"])

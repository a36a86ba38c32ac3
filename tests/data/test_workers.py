"""Workers that die, hang or outlive: the run ends with what they had in hand, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.launching import run_folder, start, status
from helpers.watching import FIT_ALONE, SMALL, children, members, said, shared_memory, unruly, wait_for

from ocr_trainer.checkpoint.read import LAST, find_newest, read

RUN = [*SMALL, *FIT_ALONE, "dataset=unruly", "data.num_workers=2", "data.timeout=5"]
BY_SIGNAL = "a data worker was killed by signal: "
MESSAGES = {
    "kill": BY_SIGNAL + "Killed",
    "segfault": BY_SIGNAL + "Segmentation fault",
    "exit": "a data worker ended unexpectedly",
    "hang": "no batch came from the data workers for 5 s (data.timeout)",
}


def check_clean_exit(place: Path, session: int) -> None:
    """Check that a failed run left no process behind and can be resumed."""
    assert members(session) == []
    assert "Traceback" not in said(place)
    folder = run_folder(place)
    kept = find_newest(folder / "checkpoints")
    environment = unruly(place / "again")
    again = start(["resume", str(folder), "data.num_workers=0"], place, **environment)
    assert status(again) == 0
    assert read(folder / "checkpoints" / LAST)["global_step"] == 8
    if kept is not None:
        assert f"resuming after step {kept.content['global_step']}," in said(place)


def message(place: Path) -> str:
    """Return the last message of the run, after `ocr-train: `."""
    return said(place).rpartition("ocr-train: ")[2]


@pytest.mark.parametrize(
    ("how", "split"),
    [
        ("kill", "val"),
        ("segfault", "train"),
        *(
            pytest.param(how, split, marks=pytest.mark.slow)
            for how, split in (("kill", "train"), ("exit", "train"))
        ),
        *(pytest.param(how, "val", marks=pytest.mark.slow) for how in ("segfault", "exit")),
    ],
)
def test_case_27_a_dead_worker_is_reported_with_its_last_sample(tmp_path: Path, how: str, split: str):
    # Page 3 of val is read before the first step, page 3 of train within the first epoch.
    run = start(RUN, tmp_path, group=True, UNRULY=f"{how} {split} 3", **unruly(tmp_path / "plugin"))
    assert status(run, 60) == 2
    assert run.pid is not None
    reported = message(tmp_path)
    assert reported.startswith(f"{MESSAGES[how]}:\n  it last read:\n")
    assert re.findall(r"worker \d: sample 3, (.*)", reported) == [f"{split}/page3"]
    check_clean_exit(tmp_path, run.pid)


def test_case_27_a_worker_killed_from_outside(tmp_path: Path):
    run = start([*RUN, "trainer.max_epochs=200"], tmp_path, group=True, **unruly(tmp_path / "plugin"))
    assert run.pid is not None
    wait_for(lambda: list(tmp_path.glob("runs/*/*/checkpoints/last.ckpt")))
    for _ in range(20):
        # Retry: the death of a worker that has finished its work goes unnoticed.
        for worker in children(run.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
        run.join(2)
        if run.exitcode is not None:
            break
    assert status(run, 60) == 2
    # Each epoch starts new workers: one killed before its first sample has none to name.
    assert re.match(
        rf"{BY_SIGNAL}Killed(:\n  it last read:\n  worker \d: sample |\n  to see the error)",
        message(tmp_path),
    )
    assert "Traceback" not in said(tmp_path)
    assert members(run.pid) == []
    assert find_newest(run_folder(tmp_path) / "checkpoints") is not None


def test_case_27_a_worker_that_runs_out_of_memory(tmp_path: Path):
    run = start(RUN, tmp_path, group=True, UNRULY="hoard train 3", **unruly(tmp_path / "plugin"))
    assert status(run, 60) == 2
    assert run.pid is not None
    assert message(tmp_path).startswith("machine out of memory: ")
    check_clean_exit(tmp_path, run.pid)


def test_case_27_an_exception_in_a_worker_is_not_reported_as_its_death(tmp_path: Path):
    run = start(RUN, tmp_path, group=True, UNRULY="fail train 3", **unruly(tmp_path / "plugin"))
    assert status(run, 60) == 1
    assert run.pid is not None
    assert "RuntimeError: a mistake of the plugin" in said(tmp_path)
    assert members(run.pid) == []


@pytest.mark.parametrize("split", ["train", pytest.param("val", marks=pytest.mark.slow)])
def test_case_28_a_hanging_worker_is_reported_with_its_last_sample(tmp_path: Path, split: str):
    run = start(RUN, tmp_path, group=True, UNRULY=f"hang {split} 3", **unruly(tmp_path / "plugin"))
    assert status(run, 60) == 2
    assert run.pid is not None
    reported = message(tmp_path)
    assert reported.startswith(f"{MESSAGES['hang']}:\n  the workers last read:\n")
    assert f": sample 3, {split}/page3\n" in reported
    check_clean_exit(tmp_path, run.pid)


def test_case_28_sigterm_while_a_worker_hangs_ends_within_the_timeout(tmp_path: Path):
    run = start(RUN, tmp_path, group=True, UNRULY="hang train 3", **unruly(tmp_path / "plugin"))
    assert run.pid is not None
    wait_for(lambda: len(children(run.pid or 0)) >= 2)
    os.kill(run.pid, signal.SIGTERM)
    # 143 where the signal came between steps, 2 where the batch that it waited for never came.
    assert status(run, 60) in (2, 128 + signal.SIGTERM)
    check_clean_exit(tmp_path, run.pid)


@pytest.mark.parametrize("harm", ["none - 0", "hang train 3"])
def test_case_29_workers_die_with_a_killed_run(tmp_path: Path, harm: str):
    before = shared_memory()
    words = [*RUN, "data.timeout=300", "trainer.max_epochs=200"]
    run = start(words, tmp_path, group=True, UNRULY=harm, **unruly(tmp_path / "plugin"))
    assert run.pid is not None
    wait_for(lambda: len(members(run.pid or 0)) >= 3)
    run.kill()
    run.join()
    wait_for(lambda: not members(run.pid or 0), 10)
    wait_for(lambda: shared_memory() <= before, 10)


KILLED = """
import os, signal
from torch.utils.data import DataLoader, Dataset

class Killing(Dataset):
    def __len__(self): return 8
    def __getitem__(self, index):
        if index == 3: os.kill(os.getpid(), signal.SIGKILL)
        return str(index)

list(DataLoader(Killing(), num_workers=1, multiprocessing_context="fork"))
"""


def test_torchs_own_loader_names_no_sample():
    """Why `TracksCurrentSample` and `report_worker_errors` exist: torch names the process alone."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=60, check=False
    )
    error = done.stderr.rstrip().rpartition("\nRuntimeError: ")[2]
    assert re.match(r"DataLoader worker \(pid(\(s\))? [\d, ]+\) (is killed|exited unexpectedly)", error)
    assert not re.search(r"\b3\b", re.sub(r"pid(\(s\))? [\d, ]+", "", error))

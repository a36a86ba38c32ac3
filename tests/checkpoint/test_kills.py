"""Runs killed without warning at any moment: what was kept is whole, and they end as if nothing had happened."""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from helpers.launching import differences, run_folder, start, status

from ocr_trainer.checkpoint.read import BEST, LAST, PREVIOUS, find_newest

INTERVAL, STEPS = 5, 60
RUN = [
    *("model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.charsets=[digits]", "logger=[csv]"),
    *("dataset.text.train_texts=80", "dataset.text.val_texts=4", "dataset.text.test_texts=1"),
    *("data.batch_size=4", "data.num_workers=0", "trainer.max_epochs=3", "trainer.accelerator=cpu"),
    *("trainer.log_every_n_steps=1", "trainer.enable_progress_bar=false", "trainer.limit_test_batches=0"),
    *(f"checkpoint.every_n_steps={INTERVAL}", "resume=auto"),
]
"""3 epochs of 20 steps, each with a validation; 12 states of 6 MB are kept on the way."""


@dataclass
class Unbroken:
    """The run that nothing happens to."""

    folder: Path
    seconds: float
    """What it takes."""


@dataclass
class Toll:
    """What came of killing."""

    kept: list[int] = field(default_factory=list)
    """After each kill, the step to resume from."""
    strays: int = 0
    """Kills in the middle of a save."""
    ends: int = 0
    """Runs that came to their end."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    assert status(start(RUN, first)) == 0
    began = time.monotonic()
    assert status(start(RUN, second)) == 0
    same_end(run_folder(first), run_folder(second))
    return Unbroken(run_folder(second), time.monotonic() - began)


def same_end(one: Path, other: Path) -> None:
    """Check that two runs came to the same state, best state and curves, bit for bit."""
    for name in (LAST, BEST):
        states = [
            torch.load(folder / "checkpoints" / name, weights_only=True, mmap=True) for folder in (one, other)
        ]
        assert differences(*states) == []
    assert (one / "csv/metrics.csv").read_text() == (other / "csv/metrics.csv").read_text()
    assert states[0]["global_step"]
    assert max(logged(one)) == STEPS - 1


def logged(folder: Path) -> list[int]:
    """Return the steps of a run's curves, numbered from 0."""
    path = folder / "csv/metrics.csv"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [int(row["step"]) for row in csv.DictReader(line for line in lines if line.endswith("\n"))]


def killed(process: BaseProcess, after: float) -> bool:
    """Kill a process group after so many seconds; False if it came to its end before that."""
    process.join(after)
    while process.is_alive() and os.getpgid(process.pid) != process.pid:
        time.sleep(0.001)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
    ended = status(process)
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def look(folder: Path, before: int, toll: Toll) -> None:
    """Check what a killed run left: the find_newest state is whole, and at most one interval is lost."""
    checkpoints = folder / "checkpoints"
    found = find_newest(checkpoints)
    assert found is None or found.rejected == []
    kept = found.content["global_step"] if found is not None else 0
    assert kept >= before
    assert max(logged(folder), default=-1) + 1 - kept <= INTERVAL
    named = {path.stat().st_ino for path in checkpoints.glob("*.ckpt")}
    strays = {path.stat().st_ino for path in checkpoints.glob(".*")} - named
    assert len(strays) <= 1
    toll.strays += len(strays)
    toll.kept.append(kept)


def kill_and_go_on(
    folder: Path, unbroken: Unbroken, toll: Toll, kills: int, chance: random.Random, **env: str
) -> None:
    """Kill a run at random times and go on with it, until so many kills or its own end; then let it end."""
    words, before = RUN, 0
    while len(toll.kept) < kills and killed(
        start(words, folder, group=True, **env), chance.uniform(0, 0.8 * unbroken.seconds)
    ):
        if not any(folder.glob("runs/*/*/config.yaml")):
            toll.kept.append(0)
            continue
        look(run_folder(folder), before, toll)
        before, words = toll.kept[-1], ["resume", str(run_folder(folder))]
    assert status(start(words, folder, **env)) == 0
    same_end(run_folder(folder), unbroken.folder)
    assert [path.name for path in run_folder(folder).rglob(".*")] == [".lock"]
    toll.ends += 1


def survive(unbroken: Unbroken, kills: int, folder: Path) -> None:
    """Kill so many times, in as many runs as that takes."""
    toll, chance = Toll(), random.Random(kills)
    while len(toll.kept) < kills:
        place = folder / str(len(toll.kept))
        kill_and_go_on(place, unbroken, toll, kills, chance)
        shutil.rmtree(place)
        print(f"{len(toll.kept)} kills, {toll.strays} in a save, {toll.ends} ends", flush=True)
    assert len(set(toll.kept)) > min(3, kills // 20)
    print(f"kept at steps {sorted(toll.kept)}")


def test_case_1_runs_that_are_killed_end_as_if_nothing_had_happened(unbroken: Unbroken, tmp_path: Path):
    survive(unbroken, 5, tmp_path)


@pytest.mark.parametrize("elsewhere", ["temporary files", pytest.param("the run", marks=pytest.mark.slow)])
@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
def test_case_2_temporary_files_on_another_file_system(unbroken: Unbroken, tmp_path: Path, elsewhere: str):
    with TemporaryDirectory(dir="/dev/shm") as memory:
        places = [tmp_path, Path(memory)] if elsewhere == "temporary files" else [Path(memory), tmp_path]
        folder, temporary = (place / name for place, name in zip(places, ("out", "tmp"), strict=True))
        temporary.mkdir()
        assert places[0].stat().st_dev != temporary.stat().st_dev
        toll = Toll()
        # On a machine that has less to do by now, a run may end before it is killed.
        for attempt in range(5):
            chance = random.Random(f"{elsewhere} {attempt}")
            kill_and_go_on(folder / str(attempt), unbroken, toll, 3, chance, TMPDIR=str(temporary))
            if toll.kept:
                break
        assert toll.kept
        assert list(temporary.iterdir()) == []


def test_case_4_what_a_killed_save_left_is_removed_at_the_next_start(unbroken: Unbroken, tmp_path: Path):
    shutil.copytree(unbroken.folder, tmp_path / "run")
    (tmp_path / "run/report.json").unlink()
    names = [f".{name}.new" for name in (LAST, PREVIOUS, BEST)]
    for name in names:
        (tmp_path / "run/checkpoints" / name).write_bytes(b"half")
    assert status(start(["resume", str(tmp_path / "run")], tmp_path)) == 0
    assert sorted(path.name for path in (tmp_path / "run").rglob(".*")) == [".lock"]
    same_end(tmp_path / "run", unbroken.folder)


def test_case_5_a_disk_that_is_full(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "none", str(disk), "-o"]
    if os.geteuid() or subprocess.run([*mount, "size=16m"], capture_output=True).returncode:
        pytest.skip("needs to mount a file system")
    try:
        assert status(start(RUN, disk)) == 2
        folder, said = run_folder(disk), (disk / "output.txt").read_text()
        room = r": No space left on device \(6\.3 MB needed, \d\.\d MB free in .*\)\n  the previous checkpoint is"
        lost = re.findall(r"last\.ckpt of step (\d+) cannot be written" + room, said)
        assert [int(step) for step in lost] == list(range(15, STEPS + 1, INTERVAL))
        assert "the run finished, but its last state was not saved: last.ckpt of step 60" in said
        assert max(logged(folder)) == STEPS - 1
        found = find_newest(folder / "checkpoints")
        assert found is not None
        assert found.content["global_step"] == 10
        assert found.rejected == []
        assert not (folder / "report.json").exists()
        subprocess.run([*mount, "remount,size=64m"], check=True)
        assert status(start(["resume", str(folder)], disk)) == 0
        assert max(logged(folder)) == STEPS - 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_case_1_two_hundred_kills(unbroken: Unbroken, tmp_path: Path):
    survive(unbroken, 200, tmp_path)

"""Jobs of SLURM whose time is up: one checkpoint, one request to be queued again, and the next start goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from helpers.launching import run_folder, start, status
from helpers.watching import PAGES, SMALL, logged, members, said, wait_for

from ocr_trainer.checkpoint.read import LAST, find_newest, read

RUN = [*SMALL, *PAGES, "data.num_workers=0"]
JOB = {"SLURM_JOB_ID": "1234", "SLURM_JOB_NAME": "receipts"}
SRUN = {
    "SLURM_NTASKS": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_NTASKS_PER_NODE": "1",
}
"""What Lightning takes for a job of SLURM's own launcher."""
SCONTROL = {
    "answers": "exit 0",
    "refuses": "exit 1",
    "hangs": "exec sleep 3600",
}


def scontrol(place: Path, how: str) -> dict[str, str]:
    """Put a `scontrol` first in the path that notes its calls; return the environment that does."""
    folder = place / "bin"
    folder.mkdir(parents=True)
    if how in SCONTROL:
        program = folder / "scontrol"
        program.write_text(f'#!/bin/sh\necho "$@" >> {place}/calls\n{SCONTROL[how]}\n')
        program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("how", "launcher"),
    [
        ("answers", SRUN),
        ("refuses", {}),
        ("absent", {}),
        *(pytest.param(how, SRUN, marks=pytest.mark.slow) for how in ("refuses", "absent", "hangs")),
        pytest.param("hangs", {}, marks=pytest.mark.slow),
    ],
)
def test_case_23_a_job_whose_time_is_up_is_queued_again(tmp_path: Path, how: str, launcher: dict[str, str]):
    environment = JOB | launcher | scontrol(tmp_path, how)
    run = start(RUN, tmp_path, group=True, **environment)
    assert run.pid is not None
    wait_for(lambda: logged(tmp_path) >= 0)
    os.kill(run.pid, signal.SIGUSR1)
    assert status(run, 60) == 128 + signal.SIGUSR1
    assert members(run.pid) == []
    calls = tmp_path / "calls"
    assert (calls.read_text() if calls.is_file() else "") == ("" if how == "absent" else "requeue 1234\n")
    assert ("is requeued" if how == "answers" else "requeue it by hand: scontrol requeue 1234") in said(
        tmp_path
    )
    assert "Traceback" not in said(tmp_path)

    folder = run_folder(tmp_path)
    kept = find_newest(folder / "checkpoints")
    assert kept is not None
    assert not list(tmp_path.rglob("hpc_ckpt*"))
    if how == "answers":
        again = start(RUN, tmp_path, SLURM_RESTART_COUNT="1", **environment)
        assert status(again) == 0
        assert run_folder(tmp_path) == folder
        assert f"resuming after step {kept.content['global_step']}," in said(tmp_path)
        assert read(folder / "checkpoints" / LAST)["global_step"] == 8


def test_case_23_time_is_up_before_the_first_step(tmp_path: Path):
    environment = JOB | scontrol(tmp_path, "answers")
    run = start(RUN, tmp_path, group=True, **environment)
    assert run.pid is not None
    wait_for(lambda: list(tmp_path.glob("runs/*/*/config.yaml")))
    wait_for(lambda: list(tmp_path.glob("runs/*/*/csv")))
    os.kill(run.pid, signal.SIGUSR1)
    assert status(run, 60) == 128 + signal.SIGUSR1
    assert (tmp_path / "calls").read_text() == "requeue 1234\n"

"""SLURM jobs: how their processes are started, and requeuing a job when its time limit is reached."""

from __future__ import annotations

import logging
import os
import subprocess

from ocr_trainer.runs.signals import requeue_signal

log = logging.getLogger("ocr_trainer")

SCONTROL_TIMEOUT = 20.0
"""Seconds to wait for `scontrol`."""


def launch_error() -> str | None:
    """Return why Lightning would wait for processes that SLURM has not started, or None."""
    here = os.environ
    # Lightning takes these jobs for interactive ones, and torchrun starts processes itself.
    if here.get("SLURM_JOB_NAME") in ("bash", "interactive") or "TORCHELASTIC_RUN_ID" in here:
        return None
    tasks = here.get("SLURM_NTASKS")
    if tasks is None:
        return None
    by_srun = "SLURM_PROCID" in here and ("SLURM_STEP_ID" in here or "SLURM_STEPID" in here or tasks == "1")
    alone = "for a single process, start it with: env -u SLURM_NTASKS ocr-train …"
    if not by_srun:
        return (
            f"this is a job of SLURM (SLURM_NTASKS={tasks}), but srun has not started this process: "
            f"write srun before ocr-train, or {alone}"
        )
    if tasks != "1" and "SLURM_NTASKS_PER_NODE" not in here:
        return (
            f"this job of SLURM has SLURM_NTASKS={tasks}, but no number of tasks per node: "
            f"give sbatch --ntasks-per-node instead of --ntasks, or {alone}"
        )
    return None


def requeue(number: int) -> None:
    """Requeue this job if SLURM's signal ended it; log a warning if that fails."""
    if number != requeue_signal():
        return
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(
            ["scontrol", "requeue", job], check=True, timeout=SCONTROL_TIMEOUT, stdin=subprocess.DEVNULL
        )
        log.info("job %s is requeued and will resume from the checkpoint", job)
    except (OSError, subprocess.SubprocessError) as error:
        by_hand = f"scontrol requeue {job}"
        log.warning("job %s cannot be requeued: %s\n  requeue it by hand: %s", job, error, by_hand)

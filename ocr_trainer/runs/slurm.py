"""Having SLURM run a job again whose time is up."""

from __future__ import annotations

import logging
import os
import subprocess

from ocr_trainer.runs.signals import requeue_signal

log = logging.getLogger("ocr_trainer")

PATIENCE = 20.0
"""Seconds in which `scontrol` must answer."""


def requeue(number: int) -> None:
    """Ask SLURM to run this job again, if it was SLURM's signal that ended it; say so if it cannot."""
    if number != requeue_signal():
        return
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        log.info("job %s is queued again and will go on from the checkpoint", job)
    except (OSError, subprocess.SubprocessError) as error:
        by_hand = f"scontrol requeue {job}"
        log.warning("job %s cannot be queued again: %s\n  do it by hand: %s", job, error, by_hand)

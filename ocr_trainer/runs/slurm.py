"""Requeue a SLURM job when its time limit is reached."""

from __future__ import annotations

import logging
import os
import subprocess

from ocr_trainer.runs.signals import requeue_signal

log = logging.getLogger("ocr_trainer")

SCONTROL_TIMEOUT = 20.0
"""Seconds to wait for `scontrol`."""


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

"""What a user of `ocr-train logger=wandb` sees without an account, and without a network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TINY = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=64",
        "dataset.train_pages=1",
        "dataset.val_pages=1",
    ),
    *("dataset.test_pages=1", "dataset.height=64", "dataset.width=64", "dataset.min_font_size=12"),
    *(
        "augment.crop=64",
        "data.batch_size=1",
        "data.num_workers=0",
        "trainer.accelerator=cpu",
        "trainer.max_epochs=1",
    ),
    *("logger=wandb", "logger.wandb.init_timeout=5"),
]


def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("key", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_run_is_offline_and_says_so_in_one_line(tmp_path: Path, key: bool):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    if key:
        environment |= {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": f"http://127.0.0.1:{closed_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", "ocr_trainer", *TINY],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("wandb: ")
    assert "offline" in line
    assert "wandb sync " in line
    assert "0" * 40 not in line
    assert list(tmp_path.glob("runs/default/*/wandb/offline-run-*/*.wandb"))

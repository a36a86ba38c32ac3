"""Progress, on a terminal and without one."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_trainer.cli.main import main
from ocr_trainer.engine.callbacks import progress

SMALL = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=128",
        "dataset.train_pages=6",
        "dataset.val_pages=1",
    ),
    *(
        "dataset.test_pages=1",
        "dataset.height=128",
        "dataset.width=128",
        "augment.crop=64",
        "data.batch_size=2",
    ),
    *("data.num_workers=0", "trainer.accelerator=cpu", "trainer.max_epochs=2", "logger=[]"),
]


def test_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocr-train", *SMALL])
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    line = re.compile(r"epoch \d/2, step \d, loss \d+\.\d{4}, \d+\.\d images/s, \d+:\d\d:\d\d left")
    assert sum(bool(line.fullmatch(text)) for text in lines) == 6
    assert "epoch 2/2, step 6" in "\n".join(lines)
    assert sum(text.startswith("epoch 1, step 3: val/") for text in lines) == 1
    assert "\x1b" not in "".join(lines)


def test_a_bar_on_a_terminal(tmp_path: Path):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_trainer", *SMALL],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.STDOUT,
    )
    os.close(slave)
    shown = bytearray()
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # Linux says so when the other side has closed
        pass
    assert process.wait(timeout=240) == 0
    text = shown.decode("utf-8")
    assert "━" in text
    assert re.search(
        r"epoch 2/2, step 6, loss \d+\.\d{4}, \d+\.\d images/s", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    )
    assert "6/6" in text
    assert "test/hmean" in text

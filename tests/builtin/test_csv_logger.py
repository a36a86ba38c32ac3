"""The built-in logger `csv`."""

from __future__ import annotations

import csv as table
import warnings
from pathlib import Path

from ocr_trainer.builtin.csv_logger import make
from ocr_trainer.builtin.plugin import CSVConfig
from ocr_trainer.plugin import Context, Task


def log(folder: Path, *rows: dict[str, float]) -> None:
    logger = make(CSVConfig(), Context(task=Task.detection, folder=folder))
    for step, row in enumerate(rows):
        logger.log_metrics(row, step)
    logger.finalize("success")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(table.DictReader(file))


def test_figures_go_to_the_runs_folder(tmp_path: Path) -> None:
    log(tmp_path, {"train/loss": 2.5}, {"train/loss": 1.5, "val/hmean": 0.25})
    assert read(tmp_path / "csv" / "metrics.csv") == [
        {"step": "0", "train/loss": "2.5", "val/hmean": ""},
        {"step": "1", "train/loss": "1.5", "val/hmean": "0.25"},
    ]


def test_a_run_taken_up_again_keeps_what_it_had(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Lightning warns before it deletes
        for loss in (3.0, 2.0, 1.0):
            log(tmp_path, {"loss": loss})
    for part, loss in (("", "3.0"), ("2", "2.0"), ("3", "1.0")):
        assert read(tmp_path / "csv" / part / "metrics.csv") == [{"step": "0", "loss": loss}]

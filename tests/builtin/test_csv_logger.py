"""Logger plugin `csv`."""

from __future__ import annotations

import csv as table
import warnings
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger

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


def test_metrics_are_written_to_the_run_folder(tmp_path: Path) -> None:
    log(tmp_path, {"train/loss": 2.5}, {"train/loss": 1.5, "val/hmean": 0.25})
    assert read(tmp_path / "csv" / "metrics.csv") == [
        {"step": "0", "train/loss": "2.5", "val/hmean": ""},
        {"step": "1", "train/loss": "1.5", "val/hmean": "0.25"},
    ]


def test_another_run_in_the_folder_keeps_the_earlier_files(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Lightning warns before it deletes
        for loss in (3.0, 2.0, 1.0):
            log(tmp_path, {"loss": loss})
    for part, loss in (("", "3.0"), ("2", "2.0"), ("3", "1.0")):
        assert read(tmp_path / "csv" / part / "metrics.csv") == [{"step": "0", "loss": loss}]


def test_a_new_column_replaces_the_file_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = make(CSVConfig(), Context(task=Task.detection, folder=tmp_path))
    for step in range(3):
        logger.log_metrics({"loss": float(step)}, step)
    file = tmp_path / "csv" / "metrics.csv"
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(table.DictWriter, "writerows", full)
    with pytest.raises(OSError, match="No space left"):
        logger.log_metrics({"val/hmean": 0.5}, 3)
    assert file.read_bytes() == before


def test_lightnings_own_logger_loses_the_rows_when_a_new_column_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for `ResumableWriter`."""
    logger = CSVLogger(tmp_path, name=None, version="", flush_logs_every_n_steps=1)
    for step in range(3):
        logger.log_metrics({"loss": float(step)}, step)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(table.DictWriter, "writerows", full)
    with pytest.raises(OSError, match="No space left"):
        logger.log_metrics({"val/hmean": 0.5}, 3)
    assert read(tmp_path / "metrics.csv") == []


def test_lightnings_own_logger_deletes_the_file_that_a_resumed_run_continues(tmp_path: Path) -> None:
    """The reason for `ResumableWriter`."""
    for step in (0, 1):
        resume_step = step or None
        ours = make(CSVConfig(), Context(task=Task.detection, folder=tmp_path, resume_step=resume_step))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bare = CSVLogger(tmp_path, name=None, version="bare")
            for logger in (ours, bare):
                logger.log_metrics({"loss": 1.0}, step)
                logger.finalize("success")
    assert [row["step"] for row in read(tmp_path / "csv" / "metrics.csv")] == ["0", "1"]
    assert [row["step"] for row in read(tmp_path / "bare" / "metrics.csv")] == ["1"]


def test_rows_are_written_flush_every_at_a_time(tmp_path: Path) -> None:
    logger = make(CSVConfig(flush_every=3), Context(task=Task.detection, folder=tmp_path))
    counts = []
    file = tmp_path / "csv" / "metrics.csv"
    for step in range(9, 59, 10):  # as with trainer.log_every_n_steps=10
        logger.log_metrics({"loss": 1.0}, step)
        logger.save()  # as the Trainer does after each row
        counts.append(len(read(file)) if file.exists() else 0)
    logger.finalize("success")
    assert [*counts, len(read(file))] == [0, 0, 3, 3, 3, 5]
    bare = CSVLogger(tmp_path / "bare", name=None, version="", flush_logs_every_n_steps=3)
    bare.log_metrics({"loss": 1.0}, 9)
    bare.save()
    assert len(read(tmp_path / "bare" / "metrics.csv")) == 1  # Lightning does not count rows, but steps


def test_a_resumed_run_has_the_same_bytes(tmp_path: Path) -> None:
    rows = [{"loss": 1 / (step + 1)} | ({"val/é": step / 3} if step % 4 == 3 else {}) for step in range(10)]
    contents = []
    for folder, parts in (("whole", [(0, 10)]), ("cut", [(0, 7), (4, 10)])):
        file = tmp_path / folder / "csv" / "metrics.csv"
        for start, end in parts:
            context = Context(task=Task.detection, folder=tmp_path / folder, resume_step=start or None)
            logger = make(CSVConfig(), context)
            for step in range(start, end):
                logger.log_metrics(rows[step], step)
            if end < 10:
                with file.open("a", encoding="utf-8") as killed:
                    killed.write("0,7")
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]
    assert len(read(file)) == 10

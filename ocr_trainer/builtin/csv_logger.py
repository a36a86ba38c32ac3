"""Logger plugin `csv`: Lightning's `CSVLogger`, extended to resume and to survive a crash.

Lightning deletes an existing file, and rewrites it in place when a new column appears. This logger
continues an existing file and replaces it atomically.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]

from ocr_trainer.builtin.plugin import CSVConfig
from ocr_trainer.plugin import Context

Row = dict[str, Any]


class ResumableWriter(ExperimentWriter):
    """Writes `metrics.csv`, from its beginning or from a step of an earlier part of the run."""

    def __init__(self, folder: str, resume_step: int | None = None) -> None:
        """Start a file or, with a step, continue the one in `folder`.

        Args:
            folder: Folder of the file; it is created if needed.
            resume_step: Step at which the run resumes. Rows of this step and later are dropped, as the run
                repeats them.
        """
        super().__init__(folder)
        self._path = Path(self.metrics_file_path)
        self._repeated: set[tuple[str, ...]] = set()
        if resume_step is not None and self._path.is_file():
            kept = [row for row in self._read() if int(row["step"]) < resume_step]
            self.metrics_keys = sorted({column for row in kept for column in row})
            self._replace(kept)
            # Validation after the last step before the checkpoint runs again; do not write its row twice.
            self._repeated = {_identity(row) for row in kept if int(row["step"]) == resume_step - 1}

    def save(self) -> None:
        """Write the rows logged since the last call, in UTF-8: Lightning uses the locale's encoding."""
        rows = [row for row in self.metrics if _identity(row) not in self._repeated]
        columns = sorted(set(self.metrics_keys).union(*rows))
        if columns != self.metrics_keys:
            earlier = self._read() if self.metrics_keys else []
            self.metrics_keys = columns
            self._replace([*earlier, *rows])
        elif rows:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, columns).writerows(rows)
        self.metrics = []

    def _check_log_dir_exists(self) -> None:
        """Do nothing: Lightning's method deletes the existing file."""

    def _read(self) -> list[Row]:
        """Return the rows of the file, without an incomplete last line left by a crash."""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        return list(csv.DictReader(line for line in lines if line.endswith("\n")))

    def _replace(self, rows: Iterable[Row]) -> None:
        """Replace the file atomically: a crash leaves the old or the new file."""
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.metrics_keys)
            writer.writeheader()
            writer.writerows(rows)
        temporary.replace(self._path)


def _identity(row: Row) -> tuple[str, ...]:
    """Return what distinguishes a row from others: its step and the columns it fills."""
    return (str(row["step"]), *sorted(column for column, value in row.items() if value != ""))


class ResumableCSVLogger(CSVLogger):
    """Writes metrics to `metrics.csv` and the configuration to `hparams.yaml` in a folder."""

    def __init__(self, folder: Path, flush_every: int, resume_step: int | None = None) -> None:
        super().__init__(folder, name=None, version="", flush_logs_every_n_steps=1)
        self._flush_every = flush_every
        self._resume_step = resume_step

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer of the files."""
        if self._experiment is None:
            self._experiment = ResumableWriter(self.log_dir, self._resume_step)
        return self._experiment

    @rank_zero_only
    def save(self) -> None:
        """Write the rows once there are `flush_every`; Lightning calls this after every row."""
        if len(self.experiment.metrics) >= self._flush_every:
            self.experiment.save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the remaining rows."""
        if self._experiment is not None:
            self._experiment.save()


def make(config: CSVConfig, context: Context) -> ResumableCSVLogger:
    """Return a logger to `csv/metrics.csv` in the run directory.

    A resumed run continues the same file. Another run in the same folder writes to
    `csv/2/metrics.csv`, the next to `csv/3/metrics.csv`.
    """
    parts = [context.folder / "csv"]
    while parts[-1].is_dir() and any(parts[-1].iterdir()):
        parts.append(parts[0] / str(len(parts) + 1))
    resumed = context.resume_step is not None
    part = parts[-2] if resumed and len(parts) > 1 else parts[-1]
    return ResumableCSVLogger(part, config.flush_every, context.resume_step)

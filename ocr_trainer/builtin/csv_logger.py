"""The logger `csv`.

Lightning's logger deletes the file it finds and rewrites it in place when a new column comes; this one
goes on with it, and replaces it whole or not at all.
"""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from ocr_trainer.builtin.plugin import CSVConfig
from ocr_trainer.plugin import Context

Row = dict[str, Any]


class Table:
    """The rows of a CSV file with a column `step`; the other columns come as they are met, sorted."""

    def __init__(self, path: Path, resume_step: int | None = None) -> None:
        """Begin a table, or go on with the one at `path`.

        Args:
            path: The file; its folder must exist.
            resume_step: Rows of this step and later are dropped: the run takes these steps again.
        """
        self.path = path
        self.columns: list[str] = []
        self._redone: set[tuple[str, ...]] = set()
        if resume_step is not None and path.is_file():
            self._go_on(resume_step)

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows to the file."""
        rows = [row for row in rows if _identity(row) not in self._redone]
        met = set(self.columns).union(*rows)
        if met != set(self.columns):
            earlier = _read(self.path) if self.columns else []
            self.columns = sorted(met)
            self._replace([*earlier, *rows])
        elif rows:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self.columns).writerows(rows)

    def _go_on(self, step: int) -> None:
        kept = [row for row in _read(self.path) if int(row["step"]) < step]
        self.columns = sorted({column for row in kept for column in row})
        self._replace(kept)
        # What a checkpoint is followed by before the next step, a validation, is done once more.
        self._redone = {_identity(row) for row in kept if int(row["step"]) == step - 1}

    def _replace(self, rows: Iterable[Row]) -> None:
        beside = self.path.with_name(f".{self.path.name}.tmp")
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)
        beside.replace(self.path)


def _read(path: Path) -> list[Row]:
    """Return the rows of a table; a last line that was cut off is none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return list(csv.DictReader(line for line in lines if line.endswith("\n")))


def _identity(row: Row) -> tuple[str, ...]:
    """Return what tells a row from others: its step, and which columns it fills."""
    return (str(row["step"]), *sorted(column for column, value in row.items() if value != ""))


class TableLogger(Logger):
    """Writes figures to `metrics.csv` and the configuration to `hparams.yaml` in a folder."""

    name = None
    version = ""

    def __init__(self, folder: Path, flush_every: int, resume_step: int | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._flush_every = flush_every
        self._resume_step = resume_step
        self._hyperparameters: dict[str, Any] = {}
        self._rows: list[Row] = []
        self._table: Table | None = None

    @property
    def save_dir(self) -> str:
        """The folder."""
        return str(self._folder)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Write the configuration of the run."""
        self._hyperparameters |= vars(params) if isinstance(params, Namespace) else params
        self._folder.mkdir(parents=True, exist_ok=True)
        save_hparams_to_yaml(str(self._folder / "hparams.yaml"), self._hyperparameters)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a row; tensors of one element are numbers, too."""
        row = {key: value.item() if hasattr(value, "item") else value for key, value in metrics.items()}
        self._rows.append(row | {"step": len(self._rows) if step is None else step})
        if len(self._rows) >= self._flush_every:
            self._write()

    def _write(self) -> None:
        if self._table is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._table = Table(self._folder / "metrics.csv", self._resume_step)
        rows, self._rows = self._rows, []
        self._table.add(rows)

    def save(self) -> None:
        """Do nothing: Lightning calls this after every row, whatever `flush_every` says."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        if self._rows:
            self._write()


def make(config: CSVConfig, context: Context) -> TableLogger:
    """Return a logger to `csv/metrics.csv` in the run's folder.

    A resumed run goes on in the same file. Another run in the same folder writes to
    `csv/2/metrics.csv`, the next to `csv/3/metrics.csv`.
    """
    parts = [context.folder / "csv"]
    while parts[-1].is_dir() and any(parts[-1].iterdir()):
        parts.append(parts[0] / str(len(parts) + 1))
    resumed = context.resume_step is not None
    part = parts[-2] if resumed and len(parts) > 1 else parts[-1]
    return TableLogger(part, config.flush_every, context.resume_step)

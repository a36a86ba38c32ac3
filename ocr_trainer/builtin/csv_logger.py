"""The logger `csv`."""

from __future__ import annotations

from lightning.pytorch.loggers import CSVLogger

from ocr_trainer.builtin.plugin import CSVConfig
from ocr_trainer.plugin import Context


def make(config: CSVConfig, context: Context) -> CSVLogger:
    """Return a logger to `csv/metrics.csv` in the run's folder.

    Lightning's logger deletes the file it finds, so a run that is taken up again in the same
    folder writes to `csv/2/metrics.csv`, then `csv/3/metrics.csv`.
    """
    folder = context.folder / "csv"
    version, part = "", 1
    while (folder / version).is_dir() and any((folder / version).iterdir()):
        part += 1
        version = str(part)
    return CSVLogger(folder, name="", version=version, flush_logs_every_n_steps=config.flush_every)

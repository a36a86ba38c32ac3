"""What plugin factories get along with their options."""

from __future__ import annotations

from pathlib import Path

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Context, DataReport, discovery


def run_context(run: RunConfig, folder: Path, resume_step: int | None = None) -> Context:
    """Return the context of a run's plugins.

    Args:
        run: The run's configuration.
        folder: The run directory.
        resume_step: The optimizer step that a resumed run continues from, or None for a new run.
    """
    description = discovery.load_model(run.model.name)
    return Context(
        task=description.task,
        seed=run.seed,
        folder=folder,
        exp_name=run.exp_name,
        **run.context(),
        data_report=DataReport(),
        resume_step=resume_step,
    )

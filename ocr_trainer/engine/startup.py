"""Setup of every command after torch and Lightning are imported: quiet logs."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import suppress

from ocr_trainer.config.security import redact
from ocr_trainer.plugin import DataReport
from ocr_trainer.runs import collector, timing
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer_runtime.text.visible import echo, visible

SILENCED = (
    # Advice against intentional choices.
    ".*does not have many workers.*",
    ".*number of training batches.*",
    ".*Checkpoint directory.*",
    # Frozen parts.
    ".*module\\(s\\) in eval mode at the start of training.*",
    # A batch without a sample to learn from; the samples are reported, and an epoch of them ends the run.
    ".*`training_step` returned `None`.*",
    ".*but have no `val_dataloader`.*",
    ".*GPU available but not used.*",
    ".*dataloader shuffling.*",
    ".*`Trainer\\(barebones=True\\)` is configured.*",
    # Our loaders can resume within an epoch; a callback that is gone is the user's choice.
    ".*Be aware that when using `ckpt_path`.*",
    ".*your dataloader is not resumable.*",
    # The scores are already summed over all processes.
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    # The gradients of 1 x 1 filters have ambiguous strides.
    ".*Grad strides do not match bucket view strides.*",
    # Lightning calls a function that torch 2.13 deprecates.
    ".*isinstance\\(treespec, LeafSpec\\).*",
)
"""Warnings of Lightning and torch that do not concern the user."""


class StandardErrorHandler(logging.Handler):
    """Writes to the current `sys.stderr`, which a progress bar may replace after the handler is created."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. A warning must not end a run if standard error is on a full disk."""
        with suppress(OSError):
            echo(redact(self.format(record)), file=sys.stderr)


class SpelledControls(logging.Filter):
    """Spells the control characters of a message for every handler, those of the caller's program, too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the message."""
        record.msg, record.args = visible(record.getMessage()), ()
        return True


SPELLED = SpelledControls()


def after_imports(timer: timing.PhaseTimer) -> None:
    """Set up logs after the imports, freeze what they made, and end the timer's phase `import`."""
    quiet_logs()
    collector.freeze_imports()
    timer.end("import")


def print_notes(data_report: DataReport) -> None:
    """Print what the user should know about the data to standard error, in the main process."""
    if is_rank_zero():
        for message in data_report.messages():
            echo(f"ocr-train: note: {message}", file=sys.stderr)


def quiet_logs() -> None:
    """Silence Lightning's advice, which is for authors of training scripts, and show our own messages."""
    ours = logging.getLogger("ocr_trainer")
    if not ours.handlers:
        ours.addHandler(StandardErrorHandler())
        ours.setLevel(logging.INFO)
    ours.addFilter(SPELLED)  # has no effect a second time
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in SILENCED:
        warnings.filterwarnings("ignore", message=message)

"""What every command does once torch and Lightning are imported: quiet logs, garbage collection."""

from __future__ import annotations

import gc
import logging
import sys
import warnings
from contextlib import suppress

from ocr_trainer.runs import timing

SILENCED = (
    # Advice against what is chosen here on purpose.
    ".*does not have many workers.*",
    ".*number of training batches.*",
    ".*Checkpoint directory.*",
    ".*but have no `val_dataloader`.*",
    ".*GPU available but not used.*",
    ".*dataloader shuffling.*",
    ".*`Trainer\\(barebones=True\\)` is configured.*",
    # Our loaders resume where they were; a callback that is no longer there is the user's choice.
    ".*Be aware that when using `ckpt_path`.*",
    ".*your dataloader is not resumable.*",
    # The scores are of all processes already.
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    # About gradients of 1 x 1 filters, whose strides can be written in several ways.
    ".*Grad strides do not match bucket view strides.*",
    # Lightning's own use of a torch function that torch 2.13 deprecates.
    ".*isinstance\\(treespec, LeafSpec\\).*",
)
"""Warnings of Lightning and torch that do not concern the user."""


class StandardErrorHandler(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. A full disk behind standard error does not end a run because of a warning."""
        with suppress(OSError):
            print(self.format(record), file=sys.stderr)


def after_imports(timer: timing.PhaseTimer) -> None:
    """Do what every command does once its imports are done, and end the phase `import`."""
    quiet_logs()
    freeze_imports()
    timer.end("import")


def quiet_logs() -> None:
    """Silence Lightning's advice, which is for people who write training scripts; show our own messages."""
    ours = logging.getLogger("ocr_trainer")
    if not ours.handlers:
        ours.addHandler(StandardErrorHandler())
        ours.setLevel(logging.INFO)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in SILENCED:
        warnings.filterwarnings("ignore", message=message)


def freeze_imports() -> None:
    """Exempt what was imported from garbage collection, for good.

    Call this before anything is built: the next run of a sweep must be able to free what this one built.
    """
    # The command line pauses the collector while it imports; elsewhere, freezing is not ours to decide.
    if not gc.isenabled():
        gc.freeze()


def enable_garbage_collection() -> None:
    """Start the garbage collector, which the command line paused."""
    gc.enable()

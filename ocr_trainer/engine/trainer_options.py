"""What Lightning does with options of `trainer.*`: its reports, and its errors as messages."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler

from ocr_trainer.config.trainer import TrainerConfig
from ocr_trainer.errors import ConfigError
from ocr_trainer.internals.lightning import spawns_processes
from ocr_trainer.runs.slurm import launch_error

PROFILERS: dict[str, type[SimpleProfiler | AdvancedProfiler | PyTorchProfiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}
"""Lightning's profilers that write a report."""
PROFILES = "profiler"
"""The folder of their reports in the run directory."""

OPTION_ERRORS = (MisconfigurationException, ValueError, TypeError, ArithmeticError, LookupError, ImportError)
"""What Lightning raises for options that it cannot use. An extra that is not installed is an ImportError."""

PASSED_THROUGH = ("ocr_trainer/engine/", "ocr_trainer/tasks/", "ocr_trainer/evaluation/", "contextlib.py")
"""Code of ours that calls Lightning with options of the user, or that Lightning calls to use them."""


def make_trainer(**options: object) -> Trainer:
    """Return Lightning's Trainer.

    Raises:
        ConfigError: Lightning does not accept an option, such as a GPU that does not exist, or the processes
            of the run are not started in a way that works.
    """
    if problem := launch_error():
        raise ConfigError(problem)
    try:
        trainer = Trainer(**options)  # type: ignore[arg-type]
    except (*OPTION_ERRORS, RuntimeError) as error:
        raise ConfigError(
            f"this run cannot start: an option of trainer.* is not possible: {error}"
        ) from error
    if spawns_processes(trainer):
        raise ConfigError(
            "this run cannot start: with several devices in a notebook, Lightning trains in processes whose "
            "results are lost\n"
            "  use trainer.devices=1, or start the run from a command line with trainer.strategy=ddp"
        )
    return trainer


def profiler(name: str | None, folder: Path) -> Profiler | None:
    """Return the profiler of a name, which writes to the run directory."""
    if name is None:
        return None
    return PROFILERS[name.lower()](dirpath=folder / PROFILES, filename=name.lower())


def written_profiles(folder: Path) -> list[str]:
    """Return the names of the reports in the run directory."""
    return sorted(str(file.relative_to(folder)) for file in (folder / PROFILES).glob("*.txt"))


def show_model_summary(config: TrainerConfig) -> None:
    """Let Lightning print its table of modules, which it logs, if it is asked for."""
    if config.enable_model_summary:
        logging.getLogger("lightning.pytorch.callbacks.model_summary").setLevel(logging.INFO)


def check_interval(config: TrainerConfig, batches: int) -> None:
    """Refuse a `val_check_interval` that no epoch reaches, which Lightning notices too late.

    Args:
        config: The options.
        batches: Training batches of an epoch.

    Raises:
        ConfigError: It is more than there are.
    """
    interval = config.val_check_interval
    if not isinstance(interval, int) or config.check_val_every_n_epoch is None:
        return
    if 0 < batches < interval:
        raise ConfigError(
            f"trainer.val_check_interval={interval} is more than the {batches} batches of an epoch\n"
            f"  use 1 to {batches}, or a fraction of an epoch up to 1.0\n"
            "  to count batches over several epochs, add trainer.check_val_every_n_epoch=null"
        )


@contextmanager
def option_errors() -> Iterator[None]:
    """Convert the errors that Lightning raises for options only when it uses them.

    Raises:
        ConfigError: Lightning raised an error itself, and no plugin has called it.
    """
    try:
        yield
    except OPTION_ERRORS as error:
        if not _raised_by_lightning(error):
            raise
        said = str(error) or "no reason is given"
        if not isinstance(error, MisconfigurationException):
            said = f"{type(error).__name__}: {said}"
        raise ConfigError(f"Lightning cannot use an option of trainer.*: {said}") from error


def _raised_by_lightning(error: BaseException) -> bool:
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    files = [file.replace(os.sep, "/") for file in files]
    own = [file for file in files if "/lightning/" not in file]
    return "/lightning/" in files[-1] and all(any(part in file for part in PASSED_THROUGH) for file in own)

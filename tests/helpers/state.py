"""The state of a process that a guest must leave as it was."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any


def process_state() -> dict[str, Any]:
    """Return the state of this process by what it is of; equal states compare equal."""
    state = {
        "environment": dict(os.environ),
        "working directory": Path.cwd(),
        "filters": list(warnings.filters),
        "showing warnings": (warnings.showwarning, warnings.formatwarning),
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook),
        "handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.get_debug()),
        "random": random.getstate(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "processes": multiprocessing.active_children(),
        "files": _open_files(),
        "streams": (sys.stdin, sys.stdout, sys.stderr, sys.argv[:], sys.path[:]),
        "root logger": _logger(logging.root),
        "our logger": _logger(logging.getLogger("ocr_trainer")),
    }
    if "lightning.pytorch" in sys.modules:
        state |= _libraries()
    return state


def _libraries() -> dict[str, Any]:
    import numpy as np
    import torch

    cudnn = torch.backends.cudnn
    return {
        "numpy": str(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "torch settings": (
            *(torch.get_num_threads(), torch.get_default_dtype(), torch.get_float32_matmul_precision()),
            *(torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic),
            *(torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        ),
        "loggers": [_logger(logging.getLogger(f"lightning.{part}")) for part in ("pytorch", "fabric")],
    }


def _logger(logger: logging.Logger) -> tuple[Any, ...]:
    return (logger.level, logger.handlers[:], logger.propagate, logger.filters[:])


def _open_files() -> list[str]:
    folder = Path("/proc/self/fd")
    return (
        sorted(str(entry.readlink()) for entry in folder.iterdir() if entry.exists())
        if folder.is_dir()
        else []
    )

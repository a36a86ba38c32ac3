"""The generators of NumPy and torch, the settings of torch, and the loggers, which a run changes."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable

import numpy as np
import torch


def save() -> Callable[[], None]:
    """Save the state, and return the function that restores it."""
    cudnn = torch.backends.cudnn
    numpy_draws, torch_draws = np.random.get_state(), torch.get_rng_state()
    on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    dtype, cudnn_flags = torch.get_default_dtype(), (cudnn.benchmark, cudnn.deterministic)
    deterministic = _deterministic()
    loggers = {
        logger: (logger.level, logger.handlers[:], logger.filters[:], logger.propagate, logger.disabled)
        for logger in (logging.root, logging.getLogger("ocr_trainer"), *_loggers())
    }

    def restore() -> None:
        gc.collect()  # trainer and model refer to each other; their memory and files are free now
        np.random.set_state(numpy_draws)
        torch.set_rng_state(torch_draws)
        if on_gpu is not None:
            torch.cuda.set_rng_state_all(on_gpu)
        elif torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.manual_seed_all(torch.initial_seed())  # as torch seeds a GPU when it first uses it
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.set_default_dtype(dtype)
        cudnn.benchmark, cudnn.deterministic = cudnn_flags
        if _deterministic() != deterministic:  # setting it imports torch's compiler, which takes seconds
            torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        for logger, (level, handlers, filters, propagate, disabled) in loggers.items():
            logger.setLevel(level)
            logger.handlers[:], logger.filters[:] = handlers, filters
            logger.propagate, logger.disabled = propagate, disabled

    return restore


def save_with_lightning() -> Callable[[], None]:
    """Import Lightning, which sets up its loggers then, and save the state."""
    import lightning.pytorch  # noqa: F401

    return save()


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _loggers() -> list[logging.Logger]:
    known = list(logging.Logger.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]

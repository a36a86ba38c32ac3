"""Lightning's `WandbLogger`, with all of wandb's work in one background thread.

Jobs run in the order they are logged; the thread starts with the first metric. Neither wandb's start
(1 s offline, `init_timeout` and more if a server does not answer) nor image encoding delays a training
step, and an error in wandb cannot reach the training.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.fabric.loggers.logger import _DummyExperiment, rank_zero_experiment
from lightning.fabric.utilities.apply_func import convert_tensors_to_scalars
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]
from PIL import Image

from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context

from .plugin import Mode, WandbConfig

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

log = logging.getLogger("ocr_trainer")

CONNECTING = 10.0  # seconds that wandb spends around `init_timeout`, with a margin
WANDB_MODES = ("online", "offline", "disabled", "dryrun", "run", "shared")


class BackgroundWandbLogger(WandbLogger):
    """Queues what is logged for a thread that owns the wandb run."""

    failure: str | None = None
    """Why wandb stopped, if it did."""

    def __init__(self, config: WandbConfig, context: Context) -> None:
        super().__init__(
            name=context.exp_name,
            project=config.project_name,
            save_dir=str(context.folder),
            version=config.run_id,
        )
        self._config = config
        self._context = context
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._exit_code: int | None = None
        self._capped: set[str] = set()

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The open wandb run; reading it waits for wandb. A dummy on other ranks and if wandb failed."""
        if threading.current_thread() is not self._thread and not _read_by_trainer():
            self._start()
            self._flush()
        run = None if self.failure else self._experiment
        return run or _DummyExperiment()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Record `params`, nested or not, in the run's configuration; this does not open the run."""
        self._jobs.put(partial(super().log_hyperparams, plain(params)))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record scalars at a training step."""
        self._do(super().log_metrics, convert_tensors_to_scalars(dict(metrics)), step)

    @rank_zero_only
    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        """Record images under `key`.

        Args:
            key: Name of the set of images.
            images: uint8 arrays of shape (height, width, 3), RGB; you may change them afterwards.
            step: Training step the images belong to.
            kwargs: Keywords of `wandb.Image`, each a list with one value per image, such as `caption`.

        Raises:
            ValueError: A keyword has more or fewer values than there are images.
        """
        options = {name: list(values) for name, values in kwargs.items() if values is not None}
        for name, values in options.items():
            if len(values) != len(images):  # Lightning checks this too, but in the thread
                raise ValueError(f"{key} has {len(images)} images, but {len(values)} values of {name}")
        limit = self._config.max_images
        if len(images) > limit and key not in self._capped:
            self._capped.add(key)
            log.warning(
                "wandb: %s has %d images, %d are kept (logger.wandb.max_images)", key, len(images), limit
            )
        # `fromarray` copies the pixels; given an array, wandb.Image would scale values up to 1 by 255.
        kept = [Image.fromarray(i) if isinstance(i, np.ndarray) else i for i in images[:limit]]
        if kept:
            capped = {name: values[:limit] for name, values in options.items()}
            self._do(super().log_image, key, kept, step, **capped)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Wait, within limits, until wandb has everything; the run stays open, for testing may follow."""
        self._exit_code = 0 if status == "success" else 1
        self._flush()

    def close(self) -> None:
        """Finish the run; this also happens when the process ends."""
        atexit.unregister(self.close)
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(self._config.init_timeout + self._config.finish_timeout + CONNECTING)

    def _do(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        if threading.current_thread() is self._thread:  # Lightning's log_image calls log_metrics
            function(*args, **options)
            return
        self._start()
        if self._thread is not None and self._thread.is_alive():
            self._jobs.put(partial(function, *args, **options))

    def _start(self) -> None:
        if self._thread is not None:
            return
        # Import here, not in the thread: a data worker forked meanwhile would inherit its import locks.
        from . import run  # noqa: F401

        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _work(self) -> None:
        """Open the run, do the jobs, finish the run."""
        from .run import open_run, reason, sync

        run: Run | None = None
        try:
            self._experiment = run = open_run(self._config, self._context)
            atexit.unregister(self.close)
            atexit.register(self.close)  # last registered, first called: before wandb's own
            for job in iter(self._jobs.get, None):
                job()
            run.finish(exit_code=self._exit_code)
        except Exception as error:  # wandb may raise anything, and nothing may reach the training
            rest = "" if run is None else f"; send what was kept with: {sync(run)}"
            self.failure = f"{reason(error)}{rest}"
            log.warning("wandb: stopped, the training is not affected (%s)%s", reason(error), rest)

    def _flush(self) -> None:
        """Wait until the jobs so far are done, the thread has ended, or the timeout has passed."""
        if self._thread is None:
            return
        done = threading.Event()
        self._do(done.set)
        deadline = time.monotonic() + self._config.init_timeout + CONNECTING
        while self._thread.is_alive() and not done.wait(0.05):
            if time.monotonic() > deadline:
                log.warning("wandb: still busy; the rest is written later")
                return


def _read_by_trainer() -> bool:
    """Tell whether the Trainer itself reads `experiment`: it does before the first step, for no use.

    Hooks of the user run below other functions of the same module, so the nearest one decides.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") == "lightning.pytorch.trainer.call":
            return frame.f_code.co_name == "_call_setup_hook"
    return False


def plain(value: Any) -> Any:
    """Return `value` as dicts with text keys, lists, numbers, and strings: what wandb accepts."""
    return json.loads(json.dumps(value, default=_fields_or_text))


def _fields_or_text(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    is_record = isinstance(value, Namespace) or (is_dataclass(value) and not isinstance(value, type))
    return vars(value) if is_record else str(value)


def factory(config: WandbConfig, context: Context) -> BackgroundWandbLogger:
    """Return a logger that writes to `wandb` in the run directory.

    Raises:
        ConfigError: WANDB_MODE applies and is not a mode of wandb, or the run must be online and there
            is no account.
    """
    wanted = os.environ.get("WANDB_MODE", "")
    if config.mode is Mode.auto and wanted and wanted not in WANDB_MODES:
        raise ConfigError(
            f"WANDB_MODE={wanted} is not a mode of wandb\n"
            f"  modes: {', '.join(WANDB_MODES)}\n"
            "  set one of them, or: unset WANDB_MODE"
        )
    if config.mode is Mode.online and getattr(rank_zero_only, "rank", 0) == 0:
        from .run import require_account  # importing wandb takes a second

        require_account()
    return BackgroundWandbLogger(config, context)

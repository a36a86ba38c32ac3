"""A Lightning logger for wandb that a training neither waits for nor dies from.

Everything wandb does happens in one background thread, in the order asked for; it starts with the first
metric. So neither wandb's start (1 s offline, `init_timeout` and more with a server that does not answer)
nor the encoding of pictures holds up a step, and an error of wandb's has no way into the training.

It is not Lightning's `WandbLogger`, because the trainer reads a logger's `experiment` before the first
step, where that one opens the run. This one has no `experiment`; `run` is the open run.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from PIL import Image

from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context

from .plugin import Mode, WandbConfig

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

log = logging.getLogger("ocr_trainer")

STEP = "trainer/global_step"  # the x axis, as Lightning's own logger calls it
CONNECTING = 10.0  # seconds that wandb spends around `init_timeout`, with a margin
WANDB_MODES = ("online", "offline", "disabled", "dryrun", "run", "shared")

Job = Callable[["Run"], Any]


class BackgroundWandbLogger(Logger):
    """Hands what is logged to a thread that owns the wandb run."""

    failure: str | None = None
    """Why wandb was given up."""

    def __init__(self, config: WandbConfig, context: Context) -> None:
        super().__init__()
        self._config = config
        self._context = context
        self._hyperparameters: dict[str, Any] = {}  # known before the run is open
        self._jobs: SimpleQueue[Job | None] | None = None
        self._thread: threading.Thread | None = None
        self._run: Run | None = None
        self._exit_code: int | None = None
        self._capped: set[str] = set()

    @property
    def name(self) -> str:
        """The project."""
        return self._config.project_name

    @property
    def version(self) -> str | None:
        """The id of the run, once it is known."""
        return self._config.run_id if self._run is None else self._run.id

    @property
    def save_dir(self) -> str:
        """Where wandb writes."""
        return str(self._context.folder / "wandb")

    @property
    def run(self) -> Run | None:
        """The open wandb run, waited for; `None` where there is none: no rank 0, or wandb has failed."""
        if rank_zero_only.rank == 0:
            self._start()
            self._flush()
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Record `params`, nested or not, in the run's configuration."""
        params = plain(params)
        if self._thread is None:
            self._hyperparameters.update(params)
        else:
            self._do(lambda run: run.config.update(params, allow_val_change=True))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record scalars at a training step."""
        row = {key: value.item() if hasattr(value, "item") else value for key, value in metrics.items()}
        self._do(lambda run: run.log(_at(row, step)))

    @rank_zero_only
    def log_image(
        self, key: str, images: list[np.ndarray], step: int | None = None, caption: list[str] | None = None
    ) -> None:
        """Record pictures under `key`.

        Args:
            key: the name of the set.
            images: uint8 arrays of shape (height, width, 3), RGB; they may change afterwards.
            step: the training step they belong to.
            caption: a text for each picture.

        Raises:
            ValueError: there are not as many captions as pictures.
        """
        captions = [None] * len(images) if caption is None else caption
        pairs = list(zip(images, captions, strict=True))
        limit = self._config.max_images
        if len(pairs) > limit and key not in self._capped:
            self._capped.add(key)
            log.warning(
                "wandb: %s has %d pictures, %d are kept (logger.wandb.max_images)", key, len(pairs), limit
            )
        kept = [(image.copy(), text) for image, text in pairs[:limit]]
        if kept:
            self._do(lambda run: run.log(_at({key: [_picture(*pair) for pair in kept]}, step)))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Wait, within limits, until wandb has taken all; the run stays open for what may follow: testing."""
        self._exit_code = 0 if status == "success" else 1
        self._flush()

    def close(self) -> None:
        """Finish the run; happens by itself when the process ends."""
        atexit.unregister(self.close)
        if self._thread is not None and self._jobs is not None:
            self._jobs.put(None)
            self._thread.join(self._config.init_timeout + self._config.finish_timeout + CONNECTING)

    def _do(self, job: Job) -> None:
        self._start()
        if self._jobs is not None and self._thread is not None and self._thread.is_alive():
            self._jobs.put(job)

    def _start(self) -> None:
        if self._thread is not None:
            return
        # Imported here, not in the thread: a data worker forked meanwhile would inherit its import locks.
        from . import run  # noqa: F401

        self._jobs = SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(self._jobs,), name="wandb", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _work(self, jobs: SimpleQueue[Job | None]) -> None:
        """Open the run, do the jobs, finish the run."""
        from .run import open_run, reason, sync

        try:
            self._run = open_run(self._config, self._context, self._hyperparameters)
            atexit.unregister(self.close)
            atexit.register(self.close)  # the last to register goes first: before wandb's own
            self._run.define_metric(STEP)
            self._run.define_metric("*", step_metric=STEP, step_sync=True)
            for job in iter(jobs.get, None):
                job(self._run)
            self._run.finish(exit_code=self._exit_code)
        except Exception as error:  # wandb may raise anything, and here is where it ends
            rest = "" if self._run is None else f"; send what was kept with: {sync(self._run)}"
            self.failure = f"{reason(error)}{rest}"
            log.warning("wandb: stopped, the training is not affected (%s)%s", reason(error), rest)

    def _flush(self) -> None:
        """Wait until the jobs given so far are done, the thread has ended, or patience has."""
        if self._thread is None:
            return
        done = threading.Event()
        self._do(lambda _: done.set())
        deadline = time.monotonic() + self._config.init_timeout + CONNECTING
        while self._thread.is_alive() and not done.wait(0.05):
            if time.monotonic() > deadline:
                log.warning("wandb: still busy; what it has not written yet follows later")
                return


def _at(row: dict[str, Any], step: int | None) -> dict[str, Any]:
    return row if step is None else row | {STEP: step}


def _picture(image: np.ndarray, caption: str | None) -> Any:
    import wandb

    return wandb.Image(Image.fromarray(image), caption=caption)  # a PNG: lossless


def plain(value: Any) -> Any:
    """Return `value` as dicts, lists, numbers and strings: what a wandb configuration holds."""
    if isinstance(value, Namespace):
        value = vars(value)
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def factory(config: WandbConfig, context: Context) -> BackgroundWandbLogger:
    """Return a logger that writes into `wandb` in the run's folder.

    Raises:
        ConfigError: WANDB_MODE counts and is not one of wandb's modes; or the run is to be online, and
            there is no account.
    """
    wanted = os.environ.get("WANDB_MODE", "")
    if config.mode is Mode.auto and wanted and wanted not in WANDB_MODES:
        raise ConfigError(
            f"WANDB_MODE={wanted} is not a mode of wandb\n"
            f"  modes: {', '.join(WANDB_MODES)}\n"
            "  set one of them, or: unset WANDB_MODE"
        )
    if config.mode is Mode.online and rank_zero_only.rank == 0:
        from .run import require_account  # it takes a second to import wandb

        require_account()
    return BackgroundWandbLogger(config, context)

"""A Lightning logger that writes TensorBoard event files.

It is Lightning's `TensorBoardLogger`, with one flat folder, hyperparameters next to every scalar of the
run, images, and flushing left to the writer.
"""

from __future__ import annotations

import logging
import threading
from argparse import Namespace
from typing import Any

import numpy as np
from lightning.fabric.utilities.logger import _convert_params, _flatten_dict
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]

from ocr_trainer.plugin import Context

from .plugin import TensorBoardConfig

log = logging.getLogger("ocr_trainer")

WRITER = "tensorboard.summary.writer.event_file_writer"


class FlatTensorBoardLogger(TensorBoardLogger):
    """Writes event files directly into `folder`, without name or version folders."""

    def __init__(
        self, folder: str, *, flush_secs: int = 30, max_images: int = 8, resume_step: int | None = None
    ) -> None:
        """Prepare to write; the first file is created when something is logged.

        Args:
            folder: Folder of the event files.
            flush_secs: Longest time in seconds until logged data is on disk.
            max_images: Number of images kept per set.
            resume_step: TensorBoard hides this step and later in earlier files of the folder.
        """
        options: dict[str, Any] = {} if resume_step is None else {"purge_step": resume_step}
        super().__init__(
            folder, name="", version="", default_hp_metric=False, flush_secs=flush_secs, **options
        )
        _hush_writers()
        self._max_images = max_images
        self._capped: set[str] = set()
        self._session_end: Any = None  # a protobuf message, set by log_hyperparams

    @property
    def log_dir(self) -> str:
        """The folder as given: Lightning expands `~` and `$`, which a folder name may contain."""
        return self.save_dir

    @rank_zero_only
    def log_hyperparams(
        self,
        params: dict[str, Any] | Namespace,
        metrics: dict[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        """Record `params`, nested or not, as `group/name`; call it once per run.

        Lightning also writes a list of metrics, and TensorBoard then shows only those. Without that list,
        TensorBoard shows the hyperparameters next to every scalar of the run.

        Args:
            params: Hyperparameters; values that are not numbers are recorded as text.
            metrics: Scalars to log with them.
            step: Training step of `metrics`.
        """
        from torch.utils.tensorboard.summary import hparams

        params = _convert_params(params)
        self.hparams.update(params)
        flat = self._sanitize_params(_flatten_dict(params))
        # `hparams` would record a bool as 0.0 or 1.0.
        flat = {name: str(value) if isinstance(value, bool) else value for name, value in flat.items()}
        _, start, self._session_end = hparams(flat, {})  # type: ignore[no-untyped-call]
        self.experiment._get_file_writer().add_summary(start)
        if metrics:
            self.log_metrics(metrics, step)

    @rank_zero_only
    def log_image(
        self, key: str, images: list[np.ndarray], step: int | None = None, caption: list[str] | None = None
    ) -> None:
        """Log images as `key/0`, `key/1`, …; a caption appears under the same tag on the Text page.

        Args:
            key: Tag of the set of images.
            images: uint8 arrays of shape (height, width, 3), RGB.
            step: Training step the images belong to.
            caption: One text per image.

        Raises:
            ValueError: The numbers of captions and images differ.
        """
        captions = [""] * len(images) if caption is None else caption
        for index, (image, text) in enumerate(zip(images, captions, strict=True)):
            if index == self._max_images:
                self._warn_of_cap(key, len(images))
                break
            self.experiment.add_image(f"{key}/{index}", image, step, dataformats="HWC")
            if text:
                self.experiment.add_text(f"{key}/{index}", text, step)

    def _warn_of_cap(self, key: str, count: int) -> None:
        if key not in self._capped:
            self._capped.add(key)
            log.warning(
                "tensorboard: %s has %d images, %d are kept (logger.tensorboard.max_images)",
                key,
                count,
                self._max_images,
            )

    def save(self) -> None:
        """Do nothing: Lightning calls this at every logging step, and the writer flushes by itself."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Mark a run of status "success" as finished, and write everything to disk.

        What is logged later, such as test scores, goes to another event file.
        """
        if status == "success" and self._session_end is not None:
            self.experiment._get_file_writer().add_summary(self._session_end)
            self._session_end = None
        super().finalize(status)


def factory(config: TensorBoardConfig, context: Context) -> FlatTensorBoardLogger:
    """Return a logger that writes to `tensorboard` in the run directory."""
    folder = str(context.folder / "tensorboard")
    return FlatTensorBoardLogger(
        folder,
        flush_secs=config.flush_secs,
        max_images=config.max_images,
        resume_step=context.resume_step,
    )


def _hush_writers() -> None:
    """Do not print tracebacks of writer threads: the next call raises the same error."""
    before = threading.excepthook
    if getattr(before, "__name__", "") == "_unless_writer":
        return

    def _unless_writer(stopped: threading.ExceptHookArgs) -> None:
        if type(stopped.thread).__module__ != WRITER:
            before(stopped)

    threading.excepthook = _unless_writer

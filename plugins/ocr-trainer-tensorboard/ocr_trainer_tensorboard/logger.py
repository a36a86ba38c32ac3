"""A Lightning logger that writes TensorBoard event files.

It is Lightning's own, made to write into one flat folder, to show the hyper-parameters beside every
scalar of the run, to take pictures, and to leave the flushing to the writer.
"""

from __future__ import annotations

import logging
import threading
from argparse import Namespace
from typing import Any

import numpy as np
from lightning.fabric.utilities.logger import _convert_params, _flatten_dict
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from ocr_trainer.plugin import Context

from .plugin import TensorBoardConfig

log = logging.getLogger("ocr_trainer")


WRITER = "tensorboard.summary.writer.event_file_writer"


class FlatTensorBoardLogger(TensorBoardLogger):
    """Writes event files straight into `folder`, without name or version folders."""

    def __init__(
        self, folder: str, *, flush_secs: int = 30, max_images: int = 8, resume_step: int | None = None
    ) -> None:
        """Prepare to write; there is no file before there is something to put in it.

        Args:
            folder: where the event files go.
            flush_secs: seconds until what was logged is on disk, at the latest.
            max_images: pictures kept of each set.
            resume_step: TensorBoard hides what earlier files of the folder hold of this step and later.
        """
        options = {} if resume_step is None else {"purge_step": resume_step}
        super().__init__(
            folder, name="", version="", default_hp_metric=False, flush_secs=flush_secs, **options
        )
        _hush_writers()
        self._max_images = max_images
        self._capped: set[str] = set()
        self._session_end: Any = None  # a protobuf message, once hyper-parameters are known

    @property
    def log_dir(self) -> str:
        """The folder as given: Lightning's expands `~` and `$` in it, which a folder may contain."""
        return self.save_dir

    @rank_zero_only
    def log_hyperparams(
        self,
        params: dict[str, Any] | Namespace,
        metrics: dict[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        """Record `params`, nested or not, as `group/name`; call it once per run.

        Lightning's writes a list of the metrics as well, and TensorBoard then shows those alone. From
        the hyper-parameters without such a list, it shows them beside every scalar of the run.

        Args:
            params: the hyper-parameters; what is no number is recorded as text.
            metrics: scalars to log with them.
            step: the step of `metrics`.
        """
        from torch.utils.tensorboard.summary import hparams

        params = _convert_params(params)
        self.hparams.update(params)
        flat = self._sanitize_params(_flatten_dict(params))
        flat = {name: str(value) if isinstance(value, bool) else value for name, value in flat.items()}
        _, start, self._session_end = hparams(flat, {})  # it would make a bool 0.0 or 1.0
        self.experiment._get_file_writer().add_summary(start)
        if metrics:
            self.log_metrics(metrics, step)

    @rank_zero_only
    def log_image(
        self, key: str, images: list[np.ndarray], step: int | None = None, caption: list[str] | None = None
    ) -> None:
        """Log pictures as `key/0`, `key/1`, …; a caption lands under the same tag among the texts.

        Args:
            key: the tag of the set.
            images: uint8 arrays of shape (height, width, 3), RGB.
            step: the training step they belong to.
            caption: a text for each picture.

        Raises:
            ValueError: there are not as many captions as pictures.
        """
        captions = [""] * len(images) if caption is None else caption
        for index, (image, text) in enumerate(zip(images, captions, strict=True)):
            if index == self._max_images:
                self._tell_cap(key, len(images))
                break
            self.experiment.add_image(f"{key}/{index}", image, step, dataformats="HWC")
            if text:
                self.experiment.add_text(f"{key}/{index}", text, step)

    def _tell_cap(self, key: str, count: int) -> None:
        if key not in self._capped:
            self._capped.add(key)
            log.warning(
                "tensorboard: %s has %d pictures, %d are kept (logger.tensorboard.max_images)",
                key,
                count,
                self._max_images,
            )

    def save(self) -> None:
        """Do nothing: Lightning calls this at every logging step, but the writer flushes by itself."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Mark a run of status "success" as ended well, and put everything on disk.

        What is logged afterwards (testing, after training) goes into a further event file.
        """
        if status == "success" and self._session_end is not None:
            self.experiment._get_file_writer().add_summary(self._session_end)
            self._session_end = None
        super().finalize(status)


def factory(config: TensorBoardConfig, context: Context) -> FlatTensorBoardLogger:
    """Return a logger that writes into `tensorboard` in the run's folder."""
    folder = str(context.folder / "tensorboard")
    return FlatTensorBoardLogger(
        folder,
        flush_secs=config.flush_secs,
        max_images=config.max_images,
        resume_step=context.resume_step,
    )


def _hush_writers() -> None:
    """Keep the tracebacks of writing threads off the screen: the next call raises what stopped them."""
    before = threading.excepthook
    if getattr(before, "__name__", "") == "_unless_writer":
        return

    def _unless_writer(stopped: threading.ExceptHookArgs) -> None:
        if type(stopped.thread).__module__ != WRITER:
            before(stopped)

    threading.excepthook = _unless_writer
